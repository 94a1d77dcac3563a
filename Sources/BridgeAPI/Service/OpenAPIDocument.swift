// swift-format-ignore-file

/// `openapi.json`, so that the program needs no file to show its contract.
///
/// The file is the original: after a change of it run `Tests/Tools/embed_openapi.py`. A test fails until that is done.
enum OpenAPIDocument {
    static let text = #"""
{
  "openapi": "3.1.0",
  "info": {
    "title": "realtime-bridge",
    "version": "0.1.0",
    "summary": "The Realtime WebSocket API as REST and Server-Sent Events.",
    "description": "Every command waits for the upstream event that confirms or refuses it, and answers with it. Every event is stored before any client sees it, and can be read again by its id.\n\nErrors have OpenAI's shape. Unknown query parameters and unknown fields of the bridge's own objects are 400; fields inside Realtime payloads pass through untouched. `Idempotency-Key` is not available yet and is 400 on every POST."
  },
  "servers": [
    {
      "url": "http://127.0.0.1:8080"
    }
  ],
  "security": [
    {
      "bearer": []
    },
    {}
  ],
  "tags": [
    {
      "name": "Sessions",
      "description": "Conversations, each with an upstream connection of its own."
    },
    {
      "name": "Items",
      "description": "What a conversation consists of."
    },
    {
      "name": "Input audio",
      "description": "The input audio buffer."
    },
    {
      "name": "Responses",
      "description": "What the model says."
    },
    {
      "name": "Events",
      "description": "The record of everything, and the way in for raw events."
    },
    {
      "name": "Service",
      "description": "Health, metrics, this contract, the page."
    }
  ],
  "paths": {
    "/v1/sessions": {
      "post": {
        "operationId": "createSession",
        "tags": [
          "Sessions"
        ],
        "summary": "Create a session",
        "description": "Opens a connection to the upstream server, configures it, and answers once `session.created` (and `session.updated`, if a configuration was given) has come. An empty body is fine.",
        "parameters": [
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/NewSession"
              },
              "examples": {
                "text": {
                  "value": {
                    "session": {
                      "modalities": [
                        "text"
                      ],
                      "instructions": "Be brief."
                    },
                    "metadata": {
                      "user": "u1"
                    }
                  }
                }
              }
            }
          }
        },
        "responses": {
          "201": {
            "description": "The session is open.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "location": {
                "$ref": "#/components/headers/Location"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Session"
                },
                "example": {
                  "id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                  "object": "realtime.session",
                  "status": "active",
                  "created_at": 1795377142,
                  "expires_at": null,
                  "model": "gpt-realtime-2",
                  "dialect": "beta",
                  "session": {
                    "id": "sess_pySnlRxEgXyD0mXALPE0U",
                    "object": "realtime.session",
                    "model": "gpt-realtime-2",
                    "expires_at": 1795380742,
                    "modalities": [
                      "text"
                    ],
                    "instructions": "Be brief.",
                    "voice": "alloy",
                    "input_audio_format": "pcm16",
                    "output_audio_format": "pcm16",
                    "input_audio_transcription": null,
                    "input_audio_noise_reduction": null,
                    "turn_detection": null,
                    "tools": [],
                    "tool_choice": "auto",
                    "temperature": 0.8,
                    "max_response_output_tokens": "inf",
                    "speed": 1.0,
                    "tracing": null,
                    "prompt": null,
                    "client_secret": null,
                    "include": null
                  },
                  "upstream": {
                    "name": "u",
                    "dialect": "beta",
                    "session_id": "sess_pySnlRxEgXyD0mXALPE0U",
                    "generation": 1,
                    "expires_at": 1795380742
                  },
                  "active_response_id": null,
                  "last_event_id": "1.4",
                  "item_count": 0,
                  "usage": {
                    "total_tokens": 0,
                    "input_tokens": 0,
                    "output_tokens": 0
                  },
                  "metadata": {
                    "user": "u1"
                  }
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      },
      "get": {
        "operationId": "listSessions",
        "tags": [
          "Sessions"
        ],
        "summary": "List sessions",
        "description": "The caller's own, newest first; with the `admin` scope everybody's.",
        "parameters": [
          {
            "$ref": "#/components/parameters/limit"
          },
          {
            "$ref": "#/components/parameters/after"
          },
          {
            "$ref": "#/components/parameters/before"
          },
          {
            "$ref": "#/components/parameters/order"
          },
          {
            "$ref": "#/components/parameters/status"
          },
          {
            "$ref": "#/components/parameters/metadata"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "A page of sessions.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/SessionList"
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                      "object": "realtime.session",
                      "status": "active",
                      "created_at": 1795377142,
                      "expires_at": null,
                      "model": "gpt-realtime-2",
                      "dialect": "beta",
                      "session": {
                        "id": "sess_pySnlRxEgXyD0mXALPE0U",
                        "object": "realtime.session",
                        "model": "gpt-realtime-2",
                        "expires_at": 1795380742,
                        "modalities": [
                          "text"
                        ],
                        "instructions": "Be brief.",
                        "voice": "alloy",
                        "input_audio_format": "pcm16",
                        "output_audio_format": "pcm16",
                        "input_audio_transcription": null,
                        "input_audio_noise_reduction": null,
                        "turn_detection": null,
                        "tools": [],
                        "tool_choice": "auto",
                        "temperature": 0.8,
                        "max_response_output_tokens": "inf",
                        "speed": 1.0,
                        "tracing": null,
                        "prompt": null,
                        "client_secret": null,
                        "include": null
                      },
                      "upstream": {
                        "name": "u",
                        "dialect": "beta",
                        "session_id": "sess_pySnlRxEgXyD0mXALPE0U",
                        "generation": 1,
                        "expires_at": 1795380742
                      },
                      "active_response_id": null,
                      "last_event_id": "1.4",
                      "item_count": 0,
                      "usage": {
                        "total_tokens": 0,
                        "input_tokens": 0,
                        "output_tokens": 0
                      },
                      "metadata": {
                        "user": "u1"
                      }
                    }
                  ],
                  "first_id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                  "last_id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                  "has_more": false
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      }
    },
    "/v1/sessions/{session}": {
      "get": {
        "operationId": "getSession",
        "tags": [
          "Sessions"
        ],
        "summary": "Read a session",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "The session.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Session"
                },
                "example": {
                  "id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                  "object": "realtime.session",
                  "status": "active",
                  "created_at": 1795377142,
                  "expires_at": null,
                  "model": "gpt-realtime-2",
                  "dialect": "beta",
                  "session": {
                    "id": "sess_pySnlRxEgXyD0mXALPE0U",
                    "object": "realtime.session",
                    "model": "gpt-realtime-2",
                    "expires_at": 1795380742,
                    "modalities": [
                      "text"
                    ],
                    "instructions": "Be brief.",
                    "voice": "alloy",
                    "input_audio_format": "pcm16",
                    "output_audio_format": "pcm16",
                    "input_audio_transcription": null,
                    "input_audio_noise_reduction": null,
                    "turn_detection": null,
                    "tools": [],
                    "tool_choice": "auto",
                    "temperature": 0.8,
                    "max_response_output_tokens": "inf",
                    "speed": 1.0,
                    "tracing": null,
                    "prompt": null,
                    "client_secret": null,
                    "include": null
                  },
                  "upstream": {
                    "name": "u",
                    "dialect": "beta",
                    "session_id": "sess_pySnlRxEgXyD0mXALPE0U",
                    "generation": 1,
                    "expires_at": 1795380742
                  },
                  "active_response_id": null,
                  "last_event_id": "1.4",
                  "item_count": 0,
                  "usage": {
                    "total_tokens": 0,
                    "input_tokens": 0,
                    "output_tokens": 0
                  },
                  "metadata": {
                    "user": "u1"
                  }
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      },
      "patch": {
        "operationId": "updateSession",
        "tags": [
          "Sessions"
        ],
        "summary": "Change a session",
        "description": "`session` is sent upstream as `session.update` and the answer waits for `session.updated`; without it upstream is not asked.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/SessionChange"
              },
              "examples": {
                "instructions": {
                  "value": {
                    "session": {
                      "instructions": "Be long."
                    }
                  }
                },
                "metadata": {
                  "value": {
                    "metadata": {
                      "user": "u2"
                    }
                  }
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "The session as it is now.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Session"
                },
                "example": {
                  "id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                  "object": "realtime.session",
                  "status": "active",
                  "created_at": 1795377142,
                  "expires_at": null,
                  "model": "gpt-realtime-2",
                  "dialect": "beta",
                  "session": {
                    "id": "sess_pySnlRxEgXyD0mXALPE0U",
                    "object": "realtime.session",
                    "model": "gpt-realtime-2",
                    "expires_at": 1795380742,
                    "modalities": [
                      "text"
                    ],
                    "instructions": "Be brief.",
                    "voice": "alloy",
                    "input_audio_format": "pcm16",
                    "output_audio_format": "pcm16",
                    "input_audio_transcription": null,
                    "input_audio_noise_reduction": null,
                    "turn_detection": null,
                    "tools": [],
                    "tool_choice": "auto",
                    "temperature": 0.8,
                    "max_response_output_tokens": "inf",
                    "speed": 1.0,
                    "tracing": null,
                    "prompt": null,
                    "client_secret": null,
                    "include": null
                  },
                  "upstream": {
                    "name": "u",
                    "dialect": "beta",
                    "session_id": "sess_pySnlRxEgXyD0mXALPE0U",
                    "generation": 1,
                    "expires_at": 1795380742
                  },
                  "active_response_id": null,
                  "last_event_id": "1.4",
                  "item_count": 0,
                  "usage": {
                    "total_tokens": 0,
                    "input_tokens": 0,
                    "output_tokens": 0
                  },
                  "metadata": {
                    "user": "u1"
                  }
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      },
      "delete": {
        "operationId": "deleteSession",
        "tags": [
          "Sessions"
        ],
        "summary": "Close a session and delete its history",
        "description": "Viewers get `bridge.session.closed`.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/keep"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "It is closed.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Deleted"
                },
                "example": {
                  "id": "rts_fazzkc4sfw92rbmast2pb3sv5",
                  "object": "realtime.session.deleted",
                  "deleted": true
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      }
    },
    "/v1/sessions/{session}/items": {
      "post": {
        "operationId": "createItem",
        "tags": [
          "Items"
        ],
        "summary": "Add an item",
        "description": "Sends `conversation.item.create` and answers with the item as upstream confirmed it. Three forms: a text, an item with its place, or an item alone.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/NewItem"
              },
              "examples": {
                "text": {
                  "value": {
                    "text": "Say hi"
                  }
                },
                "system": {
                  "value": {
                    "role": "system",
                    "text": "Be brief."
                  }
                },
                "item": {
                  "value": {
                    "item": {
                      "type": "message",
                      "role": "user",
                      "content": [
                        {
                          "type": "input_text",
                          "text": "Say hi"
                        }
                      ]
                    },
                    "previous_item_id": null
                  }
                }
              }
            }
          }
        },
        "responses": {
          "201": {
            "description": "The item is in the conversation.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "location": {
                "$ref": "#/components/headers/Location"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Item"
                },
                "example": {
                  "id": "item_rb7f9ad41e2cafa1a2",
                  "object": "realtime.item",
                  "type": "message",
                  "status": "completed",
                  "role": "user",
                  "content": [
                    {
                      "type": "input_text",
                      "text": "Say hi"
                    }
                  ]
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      },
      "get": {
        "operationId": "listItems",
        "tags": [
          "Items"
        ],
        "summary": "List the conversation's items",
        "description": "In conversation order, without deleted ones.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/limit"
          },
          {
            "$ref": "#/components/parameters/after"
          },
          {
            "$ref": "#/components/parameters/before"
          },
          {
            "$ref": "#/components/parameters/order"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "A page of items.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ItemList"
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "id": "item_rb7f9ad41e2cafa1a2",
                      "object": "realtime.item",
                      "type": "message",
                      "status": "completed",
                      "role": "user",
                      "content": [
                        {
                          "type": "input_text",
                          "text": "Say hi"
                        }
                      ]
                    }
                  ],
                  "first_id": "item_rb7f9ad41e2cafa1a2",
                  "last_id": "item_rb7f9ad41e2cafa1a2",
                  "has_more": false
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      }
    },
    "/v1/sessions/{session}/items/{item}": {
      "get": {
        "operationId": "getItem",
        "tags": [
          "Items"
        ],
        "summary": "Read an item",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/item"
          },
          {
            "$ref": "#/components/parameters/source"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "The item.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Item"
                },
                "example": {
                  "id": "item_rb7f9ad41e2cafa1a2",
                  "object": "realtime.item",
                  "type": "message",
                  "status": "completed",
                  "role": "user",
                  "content": [
                    {
                      "type": "input_text",
                      "text": "Say hi"
                    }
                  ]
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      },
      "delete": {
        "operationId": "deleteItem",
        "tags": [
          "Items"
        ],
        "summary": "Delete an item",
        "description": "Sends `conversation.item.delete`.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/item"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "It is deleted.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Deleted"
                },
                "example": {
                  "id": "item_rb7f9ad41e2cafa1a2",
                  "object": "realtime.item.deleted",
                  "deleted": true
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      }
    },
    "/v1/sessions/{session}/items/{item}/truncate": {
      "post": {
        "operationId": "truncateItem",
        "tags": [
          "Items"
        ],
        "summary": "Cut an assistant's audio",
        "description": "Sends `conversation.item.truncate`. A cut beyond the audio that was produced is moved to its end, and `clamped_from` says so.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/item"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "required": [
                  "audio_end_ms"
                ],
                "properties": {
                  "audio_end_ms": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Where the audio ends, in milliseconds from its beginning."
                  },
                  "content_index": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 0
                  }
                },
                "additionalProperties": false
              },
              "examples": {
                "cut": {
                  "value": {
                    "audio_end_ms": 1500
                  }
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "It is cut.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Truncated"
                },
                "example": {
                  "id": "item_HV1ABbQFYhxa2osX8TdEz",
                  "object": "realtime.item.truncated",
                  "audio_end_ms": 1500,
                  "content_index": 0
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      }
    },
    "/v1/sessions/{session}/input_audio": {
      "post": {
        "operationId": "appendInputAudio",
        "tags": [
          "Input audio"
        ],
        "summary": "Append audio",
        "description": "Sends `input_audio_buffer.append`, split into frames of at most 256 KiB of audio. Upstream never acknowledges it, so the answer only says that it was sent.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "required": [
                  "audio"
                ],
                "properties": {
                  "audio": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "In the session's input format."
                  }
                },
                "additionalProperties": false
              },
              "examples": {
                "silence": {
                  "value": {
                    "audio": "AAAAAAAAAAA="
                  }
                }
              }
            }
          }
        },
        "responses": {
          "202": {
            "description": "It was sent.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/AudioReceipt"
                },
                "example": {
                  "bytes": 4800,
                  "duration_ms": 100,
                  "appends": 1
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      },
      "delete": {
        "operationId": "clearInputAudio",
        "tags": [
          "Input audio"
        ],
        "summary": "Throw away what was appended",
        "description": "Sends `input_audio_buffer.clear`.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "The buffer is empty.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Cleared"
                },
                "example": {
                  "object": "realtime.input_audio.cleared",
                  "cleared": true
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      }
    },
    "/v1/sessions/{session}/input_audio/commit": {
      "post": {
        "operationId": "commitInputAudio",
        "tags": [
          "Input audio"
        ],
        "summary": "Make an item of what was appended",
        "description": "Sends `input_audio_buffer.commit`.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/Nothing"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "The item that was made.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Committed"
                },
                "example": {
                  "item_id": "item_Zwd0DymyhPhGASFYGR1Gf",
                  "previous_item_id": "item_CA55vd5CsTtktZPNAO22C"
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      }
    },
    "/v1/sessions/{session}/responses": {
      "post": {
        "operationId": "createResponse",
        "tags": [
          "Responses"
        ],
        "summary": "Ask for a response",
        "description": "Sends `response.create` with the body's fields and waits for `response.done`. A response that fails is an error: 429 for upstream's limits, else 502. With `stream` (or `Accept: text/event-stream`) the events of just this response come as they happen; the status is decided by `response.created`. A client that goes away changes nothing: generation goes on until it is cancelled.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/NewResponse"
              },
              "examples": {
                "ask": {
                  "value": {
                    "input": "Say hi"
                  }
                },
                "out_of_band": {
                  "value": {
                    "conversation": "none",
                    "input": "Say hi"
                  }
                },
                "stream": {
                  "value": {
                    "input": "Say hi",
                    "stream": true
                  }
                }
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "The response as it ended: completed, incomplete or cancelled; or its events.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Response"
                },
                "example": {
                  "object": "realtime.response",
                  "id": "resp_965HBCFM1zMKrcBHv9tN1",
                  "status": "completed",
                  "status_details": null,
                  "output": [
                    {
                      "id": "item_HV1ABbQFYhxa2osX8TdEz",
                      "object": "realtime.item",
                      "type": "message",
                      "status": "completed",
                      "role": "assistant",
                      "content": [
                        {
                          "type": "text",
                          "text": "hi"
                        }
                      ]
                    }
                  ],
                  "usage": {
                    "total_tokens": 6,
                    "input_tokens": 5,
                    "output_tokens": 1,
                    "input_token_details": {
                      "text_tokens": 5,
                      "audio_tokens": 0,
                      "cached_tokens": 0,
                      "cached_tokens_details": {
                        "text_tokens": 0,
                        "audio_tokens": 0
                      }
                    },
                    "output_token_details": {
                      "text_tokens": 1,
                      "audio_tokens": 0
                    }
                  },
                  "metadata": null,
                  "conversation_id": "conv_ECVUHLPJp82duydm3JnSP",
                  "modalities": [
                    "text"
                  ],
                  "voice": "alloy",
                  "output_audio_format": "pcm16",
                  "temperature": 0.8,
                  "max_output_tokens": "inf",
                  "output_text": "hi"
                }
              },
              "text/event-stream": {
                "schema": {
                  "$ref": "#/components/schemas/EventStream"
                },
                "example": "retry: 1000\nid: 1.16\n\nid: 1.17\nevent: response.created\ndata: {\"type\":\"response.created\",\"event_id\":\"event_1\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\nid: 1.22\nevent: response.text.delta\ndata: {\"type\":\"response.text.delta\",\"event_id\":\"event_2\",\"response_id\":\"resp_1\",\"delta\":\"hi\"}\n\nid: 1.26\nevent: response.done\ndata: {\"type\":\"response.done\",\"event_id\":\"event_3\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n"
              }
            }
          },
          "202": {
            "description": "With `background` the response as it was created; with `Prefer: respond-async` a receipt.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "location": {
                "$ref": "#/components/headers/Location"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "oneOf": [
                    {
                      "$ref": "#/components/schemas/Response"
                    },
                    {
                      "$ref": "#/components/schemas/CommandReceipt"
                    }
                  ]
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      },
      "get": {
        "operationId": "listResponses",
        "tags": [
          "Responses"
        ],
        "summary": "List responses",
        "description": "In the order of their creation, those in progress too.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/limit"
          },
          {
            "$ref": "#/components/parameters/after"
          },
          {
            "$ref": "#/components/parameters/before"
          },
          {
            "$ref": "#/components/parameters/order"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "A page of responses.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ResponseList"
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "object": "realtime.response",
                      "id": "resp_965HBCFM1zMKrcBHv9tN1",
                      "status": "completed",
                      "status_details": null,
                      "output": [
                        {
                          "id": "item_HV1ABbQFYhxa2osX8TdEz",
                          "object": "realtime.item",
                          "type": "message",
                          "status": "completed",
                          "role": "assistant",
                          "content": [
                            {
                              "type": "text",
                              "text": "hi"
                            }
                          ]
                        }
                      ],
                      "usage": {
                        "total_tokens": 6,
                        "input_tokens": 5,
                        "output_tokens": 1,
                        "input_token_details": {
                          "text_tokens": 5,
                          "audio_tokens": 0,
                          "cached_tokens": 0,
                          "cached_tokens_details": {
                            "text_tokens": 0,
                            "audio_tokens": 0
                          }
                        },
                        "output_token_details": {
                          "text_tokens": 1,
                          "audio_tokens": 0
                        }
                      },
                      "metadata": null,
                      "conversation_id": "conv_ECVUHLPJp82duydm3JnSP",
                      "modalities": [
                        "text"
                      ],
                      "voice": "alloy",
                      "output_audio_format": "pcm16",
                      "temperature": 0.8,
                      "max_output_tokens": "inf",
                      "output_text": "hi"
                    }
                  ],
                  "first_id": "resp_965HBCFM1zMKrcBHv9tN1",
                  "last_id": "resp_965HBCFM1zMKrcBHv9tN1",
                  "has_more": false
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      }
    },
    "/v1/sessions/{session}/responses/{response}": {
      "get": {
        "operationId": "getResponse",
        "tags": [
          "Responses"
        ],
        "summary": "Read a response",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/response"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "The response.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Response"
                },
                "example": {
                  "object": "realtime.response",
                  "id": "resp_965HBCFM1zMKrcBHv9tN1",
                  "status": "completed",
                  "status_details": null,
                  "output": [
                    {
                      "id": "item_HV1ABbQFYhxa2osX8TdEz",
                      "object": "realtime.item",
                      "type": "message",
                      "status": "completed",
                      "role": "assistant",
                      "content": [
                        {
                          "type": "text",
                          "text": "hi"
                        }
                      ]
                    }
                  ],
                  "usage": {
                    "total_tokens": 6,
                    "input_tokens": 5,
                    "output_tokens": 1,
                    "input_token_details": {
                      "text_tokens": 5,
                      "audio_tokens": 0,
                      "cached_tokens": 0,
                      "cached_tokens_details": {
                        "text_tokens": 0,
                        "audio_tokens": 0
                      }
                    },
                    "output_token_details": {
                      "text_tokens": 1,
                      "audio_tokens": 0
                    }
                  },
                  "metadata": null,
                  "conversation_id": "conv_ECVUHLPJp82duydm3JnSP",
                  "modalities": [
                    "text"
                  ],
                  "voice": "alloy",
                  "output_audio_format": "pcm16",
                  "temperature": 0.8,
                  "max_output_tokens": "inf",
                  "output_text": "hi"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      }
    },
    "/v1/sessions/{session}/responses/{response}/cancel": {
      "post": {
        "operationId": "cancelResponse",
        "tags": [
          "Responses"
        ],
        "summary": "Stop a response",
        "description": "Sends `response.cancel` and answers with the response as it ended, whatever its status; 409 only if it had ended before.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/response"
          },
          {
            "$ref": "#/components/parameters/dialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/Nothing"
              }
            }
          }
        },
        "responses": {
          "200": {
            "description": "The response as it ended.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Response"
                },
                "example": {
                  "object": "realtime.response",
                  "id": "resp_965HBCFM1zMKrcBHv9tN1",
                  "status": "cancelled",
                  "status_details": null,
                  "output": [
                    {
                      "id": "item_HV1ABbQFYhxa2osX8TdEz",
                      "object": "realtime.item",
                      "type": "message",
                      "status": "completed",
                      "role": "assistant",
                      "content": [
                        {
                          "type": "text",
                          "text": "hi"
                        }
                      ]
                    }
                  ],
                  "usage": {
                    "total_tokens": 6,
                    "input_tokens": 5,
                    "output_tokens": 1,
                    "input_token_details": {
                      "text_tokens": 5,
                      "audio_tokens": 0,
                      "cached_tokens": 0,
                      "cached_tokens_details": {
                        "text_tokens": 0,
                        "audio_tokens": 0
                      }
                    },
                    "output_token_details": {
                      "text_tokens": 1,
                      "audio_tokens": 0
                    }
                  },
                  "metadata": null,
                  "conversation_id": "conv_ECVUHLPJp82duydm3JnSP",
                  "modalities": [
                    "text"
                  ],
                  "voice": "alloy",
                  "output_audio_format": "pcm16",
                  "temperature": 0.8,
                  "max_output_tokens": "inf",
                  "output_text": "hi"
                }
              }
            }
          },
          "202": {
            "description": "Not waited for: the command was sent (`Prefer: respond-async`). What becomes of it stands on the event stream.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              },
              "preference-applied": {
                "$ref": "#/components/headers/PreferenceApplied"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/CommandReceipt"
                },
                "example": {
                  "object": "realtime.command",
                  "event_id": "event_rb2bd822d07983d169",
                  "type": "conversation.item.create",
                  "status": "accepted",
                  "item_id": "item_rb7128c7175c97108a"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      }
    },
    "/v1/sessions/{session}/events": {
      "get": {
        "operationId": "streamEvents",
        "tags": [
          "Events"
        ],
        "summary": "Read the session's events",
        "description": "By `Accept`: `text/event-stream` (also the default), `application/x-ndjson` (one entry a line, as they happen), `application/json` (a page; `wait` makes it a long poll).\n\nIn a stream every event has an `id` (`epoch.seq`, opaque). Reconnecting with `Last-Event-ID`, `last_event_id` or `after` gives everything later, exactly once, in order; what cannot be given any more is announced by `bridge.gap`. The first bytes are `retry:` and the `id` the stream starts after. A comment comes at least every `heartbeat` seconds. A closed session's stream ends with `bridge.session.closed`; a reconnect after it is answered 204. A request whose `Accept` is exactly `text/event-stream` and that is refused for a passing reason gets 200, a `retry:`, a comment with the code, and its end.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/lastEventIDQuery"
          },
          {
            "$ref": "#/components/parameters/eventsAfter"
          },
          {
            "$ref": "#/components/parameters/from"
          },
          {
            "$ref": "#/components/parameters/types"
          },
          {
            "$ref": "#/components/parameters/exclude"
          },
          {
            "$ref": "#/components/parameters/responseID"
          },
          {
            "$ref": "#/components/parameters/until"
          },
          {
            "$ref": "#/components/parameters/envelope"
          },
          {
            "$ref": "#/components/parameters/heartbeat"
          },
          {
            "$ref": "#/components/parameters/eventsLimit"
          },
          {
            "$ref": "#/components/parameters/pageWait"
          },
          {
            "$ref": "#/components/parameters/eventsDialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/lastEventID"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "Events.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "text/event-stream": {
                "schema": {
                  "$ref": "#/components/schemas/EventStream"
                },
                "example": "retry: 1000\nid: 1.16\n\nid: 1.17\nevent: response.created\ndata: {\"type\":\"response.created\",\"event_id\":\"event_1\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\nid: 1.22\nevent: response.text.delta\ndata: {\"type\":\"response.text.delta\",\"event_id\":\"event_2\",\"response_id\":\"resp_1\",\"delta\":\"hi\"}\n\nid: 1.26\nevent: response.done\ndata: {\"type\":\"response.done\",\"event_id\":\"event_3\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n"
              },
              "application/x-ndjson": {
                "schema": {
                  "type": "string"
                },
                "example": "{\"id\":\"1.5\",\"created_at\":1795377142,\"event\":{\"type\":\"input_audio_buffer.cleared\",\"event_id\":\"event_1\"}}\n"
              },
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/EventPage"
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "id": "1.5",
                      "created_at": 1795377142,
                      "event": {
                        "type": "input_audio_buffer.cleared",
                        "event_id": "event_1"
                      }
                    }
                  ],
                  "first_id": "1.5",
                  "last_id": "1.5",
                  "has_more": false
                }
              }
            }
          },
          "204": {
            "description": "All there was has been read, and nothing will come.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      },
      "post": {
        "operationId": "sendEvents",
        "tags": [
          "Events"
        ],
        "summary": "Send client events as they are",
        "description": "The body is one Realtime client event, an array of them, or lines of them (`application/x-ndjson`); they are sent in order, without waiting in between. One event takes the status its own route would have, and a refusal is an error; several are answered 200 with a receipt each.\n\nWithout a body, and with an `Accept` that names one of its types, it reads events as GET does.",
        "parameters": [
          {
            "$ref": "#/components/parameters/session"
          },
          {
            "$ref": "#/components/parameters/lastEventIDQuery"
          },
          {
            "$ref": "#/components/parameters/eventsAfter"
          },
          {
            "$ref": "#/components/parameters/from"
          },
          {
            "$ref": "#/components/parameters/types"
          },
          {
            "$ref": "#/components/parameters/exclude"
          },
          {
            "$ref": "#/components/parameters/responseID"
          },
          {
            "$ref": "#/components/parameters/until"
          },
          {
            "$ref": "#/components/parameters/envelope"
          },
          {
            "$ref": "#/components/parameters/heartbeat"
          },
          {
            "$ref": "#/components/parameters/eventsLimit"
          },
          {
            "$ref": "#/components/parameters/pageWait"
          },
          {
            "$ref": "#/components/parameters/eventsDialect"
          },
          {
            "$ref": "#/components/parameters/openAIBeta"
          },
          {
            "$ref": "#/components/parameters/lastEventID"
          },
          {
            "$ref": "#/components/parameters/prefer"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "requestBody": {
          "required": false,
          "content": {
            "application/json": {
              "schema": {
                "oneOf": [
                  {
                    "$ref": "#/components/schemas/ClientEvent"
                  },
                  {
                    "type": "array",
                    "items": {
                      "$ref": "#/components/schemas/ClientEvent"
                    }
                  }
                ]
              },
              "example": {
                "type": "input_audio_buffer.clear",
                "event_id": "mine-1"
              }
            },
            "application/x-ndjson": {
              "schema": {
                "type": "string"
              },
              "example": "{\"type\":\"input_audio_buffer.clear\"}\n{\"type\":\"response.create\"}\n"
            }
          }
        },
        "responses": {
          "200": {
            "description": "Events; or the receipts for several events that were sent.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "text/event-stream": {
                "schema": {
                  "$ref": "#/components/schemas/EventStream"
                },
                "example": "retry: 1000\nid: 1.16\n\nid: 1.17\nevent: response.created\ndata: {\"type\":\"response.created\",\"event_id\":\"event_1\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}}\n\nid: 1.22\nevent: response.text.delta\ndata: {\"type\":\"response.text.delta\",\"event_id\":\"event_2\",\"response_id\":\"resp_1\",\"delta\":\"hi\"}\n\nid: 1.26\nevent: response.done\ndata: {\"type\":\"response.done\",\"event_id\":\"event_3\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\"}}\n\n"
              },
              "application/x-ndjson": {
                "schema": {
                  "type": "string"
                },
                "example": "{\"id\":\"1.5\",\"created_at\":1795377142,\"event\":{\"type\":\"input_audio_buffer.cleared\",\"event_id\":\"event_1\"}}\n"
              },
              "application/json": {
                "schema": {
                  "oneOf": [
                    {
                      "$ref": "#/components/schemas/EventPage"
                    },
                    {
                      "$ref": "#/components/schemas/ReceiptList"
                    }
                  ]
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "event_id": "mine-1",
                      "type": "input_audio_buffer.clear",
                      "status": "confirmed",
                      "event": {
                        "type": "input_audio_buffer.cleared",
                        "event_id": "event_35qskTIDjMoPKvvaV5jFh"
                      }
                    }
                  ]
                }
              }
            }
          },
          "201": {
            "description": "An item was created.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ReceiptList"
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "event_id": "mine-1",
                      "type": "input_audio_buffer.clear",
                      "status": "confirmed",
                      "event": {
                        "type": "input_audio_buffer.cleared",
                        "event_id": "event_35qskTIDjMoPKvvaV5jFh"
                      }
                    }
                  ]
                }
              }
            }
          },
          "202": {
            "description": "Sent; upstream does not acknowledge it, or it was not waited for.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/ReceiptList"
                },
                "example": {
                  "object": "list",
                  "data": [
                    {
                      "event_id": "mine-1",
                      "type": "input_audio_buffer.clear",
                      "status": "confirmed",
                      "event": {
                        "type": "input_audio_buffer.cleared",
                        "event_id": "event_35qskTIDjMoPKvvaV5jFh"
                      }
                    }
                  ]
                }
              }
            }
          },
          "204": {
            "description": "All there was has been read, and nothing will come.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "408": {
            "$ref": "#/components/responses/RequestTimeout"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "410": {
            "$ref": "#/components/responses/Gone"
          },
          "413": {
            "$ref": "#/components/responses/PayloadTooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "429": {
            "$ref": "#/components/responses/TooManyRequests"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          },
          "504": {
            "$ref": "#/components/responses/GatewayTimeout"
          }
        }
      }
    },
    "/livez": {
      "get": {
        "operationId": "getLiveness",
        "tags": [
          "Service"
        ],
        "summary": "Is the process alive",
        "parameters": [
          {
            "$ref": "#/components/parameters/verbose"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "It is.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Health"
                },
                "example": {
                  "status": "ok"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          }
        },
        "security": []
      }
    },
    "/readyz": {
      "get": {
        "operationId": "getReadiness",
        "tags": [
          "Service"
        ],
        "summary": "Can it take requests",
        "parameters": [
          {
            "$ref": "#/components/parameters/verbose"
          },
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "It can.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Health"
                },
                "example": {
                  "status": "ok",
                  "checks": {
                    "store": "ok",
                    "accepting": "ok"
                  }
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "description": "It drains, or its store cannot be written.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Health"
                },
                "example": {
                  "status": "unavailable",
                  "checks": {
                    "store": "failing",
                    "accepting": "ok"
                  }
                }
              }
            }
          }
        },
        "security": []
      }
    },
    "/metrics": {
      "get": {
        "operationId": "getMetrics",
        "tags": [
          "Service"
        ],
        "summary": "Counters for Prometheus",
        "parameters": [
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "Prometheus' text format.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "text/plain": {
                "schema": {
                  "type": "string"
                },
                "example": "# HELP realtime_bridge_sessions_live Sessions that have not ended.\n# TYPE realtime_bridge_sessions_live gauge\nrealtime_bridge_sessions_live 1\n"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          },
          "503": {
            "$ref": "#/components/responses/ServiceUnavailable"
          }
        }
      }
    },
    "/openapi.json": {
      "get": {
        "operationId": "getOpenAPI",
        "tags": [
          "Service"
        ],
        "summary": "This document",
        "parameters": [
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "OpenAPI 3.1.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          }
        },
        "security": []
      }
    },
    "/": {
      "get": {
        "operationId": "getPlayground",
        "tags": [
          "Service"
        ],
        "summary": "A page to try the bridge in a browser",
        "parameters": [
          {
            "$ref": "#/components/parameters/requestID"
          }
        ],
        "responses": {
          "200": {
            "description": "HTML.",
            "headers": {
              "x-request-id": {
                "$ref": "#/components/headers/RequestID"
              }
            },
            "content": {
              "text/html": {
                "schema": {
                  "type": "string"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "500": {
            "$ref": "#/components/responses/InternalError"
          }
        },
        "security": []
      }
    }
  },
  "components": {
    "parameters": {
      "session": {
        "name": "session",
        "in": "path",
        "required": true,
        "description": "The session's id, `rts_…`.",
        "schema": {
          "type": "string"
        }
      },
      "item": {
        "name": "item",
        "in": "path",
        "required": true,
        "description": "The item's id.",
        "schema": {
          "type": "string"
        }
      },
      "response": {
        "name": "response",
        "in": "path",
        "required": true,
        "description": "The response's id.",
        "schema": {
          "type": "string"
        }
      },
      "dialect": {
        "name": "dialect",
        "in": "query",
        "description": "The spelling of the Realtime protocol. A session is offered in what its upstream speaks; another one is 400 `dialect_not_available`.",
        "schema": {
          "$ref": "#/components/schemas/Dialect"
        }
      },
      "eventsDialect": {
        "name": "dialect",
        "in": "query",
        "description": "The spelling of the events. A session is offered in what its upstream speaks; another one is 400 `dialect_not_available`.",
        "schema": {
          "$ref": "#/components/schemas/Dialect"
        }
      },
      "openAIBeta": {
        "name": "OpenAI-Beta",
        "in": "header",
        "description": "`realtime=v1` asks for the beta dialect, unless the query says otherwise.",
        "schema": {
          "type": "string"
        }
      },
      "prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`: seconds to wait for upstream (10, responses 120, 600 at most), then 504. `respond-async`: 202 once the command is sent; with both, 202 after N seconds.",
        "schema": {
          "type": "string",
          "examples": [
            "wait=30",
            "respond-async"
          ]
        }
      },
      "requestID": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "1 to 128 visible ASCII characters, given back in the answer; made if absent.",
        "schema": {
          "type": "string",
          "maxLength": 128
        }
      },
      "limit": {
        "name": "limit",
        "in": "query",
        "description": "Elements of a page.",
        "schema": {
          "type": "integer",
          "minimum": 1,
          "maximum": 100,
          "default": 20
        }
      },
      "after": {
        "name": "after",
        "in": "query",
        "description": "Only what follows the element with this id.",
        "schema": {
          "type": "string"
        }
      },
      "before": {
        "name": "before",
        "in": "query",
        "description": "Only what precedes the element with this id, the nearest to it.",
        "schema": {
          "type": "string"
        }
      },
      "order": {
        "name": "order",
        "in": "query",
        "description": "Sessions come newest first unless asked otherwise, items and responses in their order.",
        "schema": {
          "type": "string",
          "enum": [
            "asc",
            "desc"
          ]
        }
      },
      "status": {
        "name": "status",
        "in": "query",
        "description": "Only sessions of these statuses, separated by commas.",
        "schema": {
          "type": "string",
          "examples": [
            "active,suspended"
          ]
        }
      },
      "metadata": {
        "name": "metadata.",
        "in": "query",
        "description": "`metadata.KEY=V`: only sessions that have this pair among their metadata; may be given for several keys.",
        "schema": {
          "type": "string"
        }
      },
      "keep": {
        "name": "keep",
        "in": "query",
        "description": "Close it, and keep the history.",
        "schema": {
          "type": "boolean",
          "default": false
        }
      },
      "source": {
        "name": "source",
        "in": "query",
        "description": "`upstream` asks the upstream server by `conversation.item.retrieve` (ga only); else the answer is the bridge's own record.",
        "schema": {
          "type": "string",
          "enum": [
            "log",
            "upstream"
          ],
          "default": "log"
        }
      },
      "verbose": {
        "name": "verbose",
        "in": "query",
        "description": "Say more.",
        "schema": {
          "type": "boolean",
          "default": false
        }
      },
      "lastEventID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last id that was seen. Beats every cursor of the query, since an EventSource repeats its first URL; empty means none.",
        "schema": {
          "type": "string"
        }
      },
      "lastEventIDQuery": {
        "name": "last_event_id",
        "in": "query",
        "description": "The same, for clients that cannot set a header.",
        "schema": {
          "type": "string"
        }
      },
      "eventsAfter": {
        "name": "after",
        "in": "query",
        "description": "Only events after this id.",
        "schema": {
          "type": "string"
        }
      },
      "from": {
        "name": "from",
        "in": "query",
        "description": "Where to start without a cursor.",
        "schema": {
          "type": "string",
          "enum": [
            "start",
            "now"
          ],
          "default": "start"
        }
      },
      "types": {
        "name": "types",
        "in": "query",
        "description": "Only these events: names with commas, a star at a name's end for all that begin so.",
        "schema": {
          "type": "string",
          "examples": [
            "response.*,error"
          ]
        }
      },
      "exclude": {
        "name": "exclude",
        "in": "query",
        "description": "Not these events.",
        "schema": {
          "type": "string",
          "examples": [
            "response.audio.delta"
          ]
        }
      },
      "responseID": {
        "name": "response_id",
        "in": "query",
        "description": "Only events of this response.",
        "schema": {
          "type": "string"
        }
      },
      "until": {
        "name": "until",
        "in": "query",
        "description": "The stream ends after the first of these events.",
        "schema": {
          "type": "string",
          "examples": [
            "response.done"
          ]
        }
      },
      "envelope": {
        "name": "envelope",
        "in": "query",
        "description": "`message` leaves out `event:`, so that a plain `onmessage` sees everything.",
        "schema": {
          "type": "string",
          "enum": [
            "message"
          ]
        }
      },
      "heartbeat": {
        "name": "heartbeat",
        "in": "query",
        "description": "Seconds between comments.",
        "schema": {
          "type": "integer",
          "minimum": 5,
          "maximum": 60,
          "default": 15
        }
      },
      "eventsLimit": {
        "name": "limit",
        "in": "query",
        "description": "Events of a page.",
        "schema": {
          "type": "integer",
          "minimum": 1,
          "maximum": 100,
          "default": 20
        }
      },
      "pageWait": {
        "name": "wait",
        "in": "query",
        "description": "Seconds that an empty page waits for its first event.",
        "schema": {
          "type": "integer",
          "minimum": 0,
          "maximum": 60,
          "default": 0
        }
      }
    },
    "headers": {
      "RequestID": {
        "description": "Names the request, also in the bridge's log.",
        "schema": {
          "type": "string"
        }
      },
      "Location": {
        "description": "Where the new resource is read.",
        "schema": {
          "type": "string"
        }
      },
      "PreferenceApplied": {
        "description": "What of `Prefer` was honoured.",
        "schema": {
          "type": "string"
        }
      },
      "RetryAfter": {
        "description": "Seconds after which a repetition makes sense.",
        "schema": {
          "type": "integer"
        }
      },
      "ShouldRetry": {
        "description": "Whether OpenAI's SDKs repeat the request by themselves: `false` where a response might be paid twice.",
        "schema": {
          "type": "string",
          "enum": [
            "true",
            "false"
          ]
        }
      },
      "WWWAuthenticate": {
        "description": "RFC 9110, section 11.6.1.",
        "schema": {
          "type": "string"
        }
      }
    },
    "responses": {
      "BadRequest": {
        "description": "The request is wrong, or upstream refused it.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "'limit' must be a whole number from 1 to 100.",
                "type": "invalid_request_error",
                "code": "invalid_value",
                "param": "limit",
                "event_id": null
              }
            }
          }
        }
      },
      "Unauthorized": {
        "description": "No key, or one that is not known; with a passed-through key also upstream's refusal of it.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "www-authenticate": {
            "$ref": "#/components/headers/WWWAuthenticate"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "This bridge needs a key: send 'Authorization: Bearer KEY'.",
                "type": "invalid_request_error",
                "code": "missing_api_key",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "Forbidden": {
        "description": "The Host or Origin is not allowed.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "Pages of this Origin may not use this bridge; allow it with --cors-origin.",
                "type": "permission_error",
                "code": "origin_not_allowed",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "NotFound": {
        "description": "It does not exist, or belongs to somebody else.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "there is no session 'x'",
                "type": "invalid_request_error",
                "code": "session_not_found",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "RequestTimeout": {
        "description": "The body stopped arriving.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "The body stopped arriving.",
                "type": "invalid_request_error",
                "code": "request_timeout",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "Conflict": {
        "description": "The conversation's state forbids it; nothing was changed.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "x-should-retry": {
            "$ref": "#/components/headers/ShouldRetry"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "the conversation already has an active response, 'resp_1'; wait for it or cancel it",
                "type": "invalid_request_error",
                "code": "conversation_already_has_active_response",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "Gone": {
        "description": "The session has ended; its history stays readable.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "the session is closed (closed)",
                "type": "invalid_request_error",
                "code": "session_closed",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "PayloadTooLarge": {
        "description": "The body is larger than the limit.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "The body has 30000000 bytes; at most 23068672 are read (setting --max-body).",
                "type": "invalid_request_error",
                "code": "request_too_large",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "UnsupportedMediaType": {
        "description": "The body is of another type.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "Send application/json here, in UTF-8.",
                "type": "invalid_request_error",
                "code": "unsupported_media_type",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "TooManyRequests": {
        "description": "A limit of the bridge's, or of upstream's.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "retry-after": {
            "$ref": "#/components/headers/RetryAfter"
          },
          "x-should-retry": {
            "$ref": "#/components/headers/ShouldRetry"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "64 commands of this session already wait for an answer",
                "type": "rate_limit_error",
                "code": "too_many_commands",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "InternalError": {
        "description": "A fault of the bridge's.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "x-should-retry": {
            "$ref": "#/components/headers/ShouldRetry"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "The bridge has a fault; its log says more.",
                "type": "server_error",
                "code": "internal_error",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "BadGateway": {
        "description": "Upstream failed, was lost, or refused the connection.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "x-should-retry": {
            "$ref": "#/components/headers/ShouldRetry"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "the connection to the upstream server was lost before it answered",
                "type": "server_error",
                "code": "upstream_lost",
                "param": null,
                "event_id": "event_rb00c0ffee00c0ffee"
              }
            }
          }
        }
      },
      "ServiceUnavailable": {
        "description": "Not now: shutting down, the store cannot be written, upstream cannot be reached, or memory for bodies is used up.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "retry-after": {
            "$ref": "#/components/headers/RetryAfter"
          },
          "x-should-retry": {
            "$ref": "#/components/headers/ShouldRetry"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "cannot reach the upstream server",
                "type": "server_error",
                "code": "upstream_unavailable",
                "param": null,
                "event_id": null
              }
            }
          }
        }
      },
      "GatewayTimeout": {
        "description": "Upstream did not answer in time. What becomes of the command stands on the event stream, where `event_id` names it.",
        "headers": {
          "x-request-id": {
            "$ref": "#/components/headers/RequestID"
          },
          "x-should-retry": {
            "$ref": "#/components/headers/ShouldRetry"
          }
        },
        "content": {
          "application/json": {
            "schema": {
              "$ref": "#/components/schemas/Error"
            },
            "example": {
              "error": {
                "message": "Upstream has not answered in time; what becomes of it will stand on the session's event stream.",
                "type": "server_error",
                "code": "upstream_timeout",
                "param": null,
                "event_id": "event_rb2bd822d07983d169"
              }
            }
          }
        }
      }
    },
    "schemas": {
      "Dialect": {
        "type": "string",
        "enum": [
          "beta",
          "ga"
        ],
        "description": "The two spellings of the Realtime protocol."
      },
      "Error": {
        "type": "object",
        "required": [
          "error"
        ],
        "properties": {
          "error": {
            "type": "object",
            "required": [
              "message",
              "type",
              "code",
              "param",
              "event_id"
            ],
            "properties": {
              "message": {
                "type": "string"
              },
              "type": {
                "type": [
                  "string",
                  "null"
                ]
              },
              "code": {
                "type": [
                  "string",
                  "null"
                ]
              },
              "param": {
                "type": [
                  "string",
                  "null"
                ]
              },
              "event_id": {
                "type": [
                  "string",
                  "null"
                ],
                "description": "The client event it is about; the caller's own id where one was given."
              }
            }
          }
        }
      },
      "NewSession": {
        "type": "object",
        "required": [],
        "properties": {
          "model": {
            "type": "string"
          },
          "session": {
            "type": "object",
            "description": "The payload of a Realtime `session.update`, in the session's dialect.",
            "additionalProperties": true
          },
          "upstream": {
            "type": "string",
            "description": "The name of a configured upstream."
          },
          "dialect": {
            "$ref": "#/components/schemas/Dialect"
          },
          "metadata": {
            "type": "object",
            "description": "At most 16 strings of 512 characters under names of 64.",
            "maxProperties": 16,
            "additionalProperties": {
              "type": "string",
              "maxLength": 512
            }
          }
        },
        "additionalProperties": false
      },
      "SessionChange": {
        "type": "object",
        "required": [],
        "properties": {
          "session": {
            "type": "object",
            "description": "The payload of a Realtime `session.update`, in the session's dialect.",
            "additionalProperties": true
          },
          "dialect": {
            "$ref": "#/components/schemas/Dialect"
          },
          "metadata": {
            "type": "object",
            "description": "At most 16 strings of 512 characters under names of 64.",
            "maxProperties": 16,
            "additionalProperties": {
              "type": "string",
              "maxLength": 512
            }
          }
        },
        "additionalProperties": false
      },
      "Session": {
        "type": "object",
        "required": [
          "id",
          "object",
          "status",
          "created_at",
          "expires_at",
          "model",
          "dialect",
          "session",
          "upstream",
          "active_response_id",
          "last_event_id",
          "item_count",
          "usage",
          "metadata"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "object": {
            "const": "realtime.session"
          },
          "status": {
            "type": "string",
            "enum": [
              "connecting",
              "active",
              "suspended",
              "recovering",
              "closed",
              "failed"
            ],
            "description": "`suspended`: the history is kept without an upstream connection; the next command opens one."
          },
          "created_at": {
            "type": "integer"
          },
          "expires_at": {
            "type": [
              "integer",
              "null"
            ]
          },
          "model": {
            "type": [
              "string",
              "null"
            ]
          },
          "dialect": {
            "$ref": "#/components/schemas/Dialect"
          },
          "session": {
            "type": [
              "object",
              "null"
            ],
            "description": "The configuration in force, as upstream last said it.",
            "additionalProperties": true
          },
          "upstream": {
            "type": "object",
            "required": [
              "name",
              "dialect",
              "session_id",
              "generation",
              "expires_at"
            ],
            "properties": {
              "name": {
                "type": "string"
              },
              "dialect": {
                "$ref": "#/components/schemas/Dialect"
              },
              "session_id": {
                "type": [
                  "string",
                  "null"
                ]
              },
              "generation": {
                "type": "integer",
                "description": "Counts the session's upstream connections, from 1."
              },
              "expires_at": {
                "type": [
                  "integer",
                  "null"
                ]
              }
            }
          },
          "active_response_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "last_event_id": {
            "type": "string",
            "description": "A cursor after everything this object tells."
          },
          "item_count": {
            "type": "integer"
          },
          "usage": {
            "type": "object",
            "description": "Sums over the session's responses.",
            "required": [
              "total_tokens",
              "input_tokens",
              "output_tokens"
            ],
            "properties": {
              "total_tokens": {
                "type": "integer"
              },
              "input_tokens": {
                "type": "integer"
              },
              "output_tokens": {
                "type": "integer"
              }
            }
          },
          "metadata": {
            "type": "object",
            "description": "At most 16 strings of 512 characters under names of 64.",
            "maxProperties": 16,
            "additionalProperties": {
              "type": "string",
              "maxLength": 512
            }
          }
        }
      },
      "Item": {
        "type": "object",
        "description": "A Realtime conversation item, as upstream spelt it.",
        "additionalProperties": true
      },
      "NewItem": {
        "oneOf": [
          {
            "type": "object",
            "required": [
              "text"
            ],
            "properties": {
              "text": {
                "type": "string"
              },
              "role": {
                "type": "string",
                "enum": [
                  "user",
                  "system",
                  "assistant"
                ],
                "default": "user"
              },
              "previous_item_id": {
                "type": [
                  "string",
                  "null"
                ]
              }
            },
            "additionalProperties": false
          },
          {
            "type": "object",
            "required": [
              "item"
            ],
            "properties": {
              "item": {
                "$ref": "#/components/schemas/Item"
              },
              "previous_item_id": {
                "type": [
                  "string",
                  "null"
                ]
              }
            },
            "additionalProperties": false
          },
          {
            "type": "object",
            "description": "A Realtime item alone.",
            "required": [
              "type"
            ],
            "properties": {
              "type": {
                "type": "string"
              }
            },
            "additionalProperties": true
          }
        ]
      },
      "NewResponse": {
        "type": "object",
        "description": "The inner `response` object of `response.create`, flat, with the bridge's own fields beside it; unknown fields are passed on.",
        "properties": {
          "input": {
            "oneOf": [
              {
                "type": "string",
                "description": "Adds a user message first; deleted again if the response is refused. Out of band it is the response's only input."
              },
              {
                "type": "array",
                "description": "The protocol's own `response.input`.",
                "items": {}
              }
            ]
          },
          "stream": {
            "type": "boolean",
            "default": false
          },
          "background": {
            "type": "boolean",
            "default": false,
            "description": "Answer 202 as soon as the response is created."
          },
          "if_active": {
            "type": "string",
            "enum": [
              "reject"
            ],
            "default": "reject",
            "description": "409 if a response is active."
          },
          "conversation": {
            "type": "string",
            "enum": [
              "auto",
              "none"
            ]
          },
          "metadata": {
            "type": "object",
            "description": "At most 16 strings of 512 characters under names of 64.",
            "maxProperties": 16,
            "additionalProperties": {
              "type": "string",
              "maxLength": 512
            }
          }
        },
        "additionalProperties": true
      },
      "Response": {
        "type": "object",
        "description": "A Realtime response as upstream spelt it, with all its text and transcripts in `output_text`.",
        "required": [
          "id",
          "object",
          "status",
          "output_text"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "object": {
            "const": "realtime.response"
          },
          "status": {
            "type": "string",
            "enum": [
              "in_progress",
              "completed",
              "incomplete",
              "cancelled",
              "failed"
            ]
          },
          "output": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Item"
            }
          },
          "output_text": {
            "type": "string"
          },
          "usage": {
            "type": [
              "object",
              "null"
            ],
            "additionalProperties": true
          },
          "metadata": {
            "type": [
              "object",
              "null"
            ],
            "additionalProperties": true
          }
        },
        "additionalProperties": true
      },
      "Deleted": {
        "type": "object",
        "required": [
          "id",
          "object",
          "deleted"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "object": {
            "type": "string",
            "enum": [
              "realtime.session.deleted",
              "realtime.item.deleted"
            ]
          },
          "deleted": {
            "const": true
          }
        }
      },
      "Truncated": {
        "type": "object",
        "required": [
          "id",
          "object",
          "audio_end_ms",
          "content_index"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "object": {
            "const": "realtime.item.truncated"
          },
          "audio_end_ms": {
            "type": "integer"
          },
          "content_index": {
            "type": "integer"
          },
          "clamped_from": {
            "type": "integer",
            "description": "The `audio_end_ms` of the request, if it lay beyond the audio."
          }
        }
      },
      "AudioReceipt": {
        "type": "object",
        "required": [
          "bytes",
          "duration_ms",
          "appends"
        ],
        "properties": {
          "bytes": {
            "type": "integer"
          },
          "duration_ms": {
            "type": "integer"
          },
          "appends": {
            "type": "integer",
            "description": "Frames it was split into."
          }
        }
      },
      "Committed": {
        "type": "object",
        "required": [
          "item_id",
          "previous_item_id"
        ],
        "properties": {
          "item_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "previous_item_id": {
            "type": [
              "string",
              "null"
            ]
          }
        }
      },
      "Cleared": {
        "type": "object",
        "required": [
          "object",
          "cleared"
        ],
        "properties": {
          "object": {
            "const": "realtime.input_audio.cleared"
          },
          "cleared": {
            "const": true
          }
        }
      },
      "CommandReceipt": {
        "type": "object",
        "required": [
          "object",
          "event_id",
          "type",
          "status",
          "item_id"
        ],
        "properties": {
          "object": {
            "const": "realtime.command"
          },
          "event_id": {
            "type": "string",
            "description": "What to look for on the event stream."
          },
          "type": {
            "type": "string"
          },
          "status": {
            "const": "accepted"
          },
          "item_id": {
            "type": [
              "string",
              "null"
            ]
          }
        }
      },
      "ClientEvent": {
        "type": "object",
        "description": "A Realtime client event in the session's dialect.",
        "required": [
          "type"
        ],
        "properties": {
          "type": {
            "type": "string"
          },
          "event_id": {
            "type": "string",
            "maxLength": 487,
            "description": "Comes back in receipts and errors."
          }
        },
        "additionalProperties": true
      },
      "EventReceipt": {
        "type": "object",
        "required": [
          "event_id",
          "type",
          "status"
        ],
        "properties": {
          "event_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "type": {
            "type": [
              "string",
              "null"
            ]
          },
          "status": {
            "type": "string",
            "enum": [
              "confirmed",
              "accepted",
              "refused"
            ]
          },
          "event": {
            "type": "object",
            "description": "The server event that confirms it.",
            "additionalProperties": true
          },
          "error": {
            "type": "object",
            "description": "The `error` object of an error.",
            "additionalProperties": true
          }
        }
      },
      "ReceiptList": {
        "type": "object",
        "required": [
          "object",
          "data"
        ],
        "properties": {
          "object": {
            "const": "list"
          },
          "data": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/EventReceipt"
            }
          }
        }
      },
      "EventEntry": {
        "type": "object",
        "required": [
          "id",
          "created_at",
          "event"
        ],
        "properties": {
          "id": {
            "type": [
              "string",
              "null"
            ]
          },
          "created_at": {
            "type": "integer"
          },
          "event": {
            "type": "object",
            "description": "A Realtime server event, or one of the bridge's own (`bridge.*`).",
            "additionalProperties": true
          }
        }
      },
      "EventPage": {
        "type": "object",
        "required": [
          "object",
          "data",
          "first_id",
          "last_id",
          "has_more"
        ],
        "properties": {
          "object": {
            "const": "list"
          },
          "data": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/EventEntry"
            }
          },
          "first_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "last_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "has_more": {
            "type": "boolean"
          }
        }
      },
      "EventStream": {
        "type": "string",
        "description": "Server-Sent Events (the WHATWG HTML standard): `id`, `event` with the event's type, `data` with the event."
      },
      "SessionList": {
        "type": "object",
        "required": [
          "object",
          "data",
          "first_id",
          "last_id",
          "has_more"
        ],
        "properties": {
          "object": {
            "const": "list"
          },
          "data": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Session"
            }
          },
          "first_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "last_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "has_more": {
            "type": "boolean"
          }
        }
      },
      "ItemList": {
        "type": "object",
        "required": [
          "object",
          "data",
          "first_id",
          "last_id",
          "has_more"
        ],
        "properties": {
          "object": {
            "const": "list"
          },
          "data": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Item"
            }
          },
          "first_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "last_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "has_more": {
            "type": "boolean"
          }
        }
      },
      "ResponseList": {
        "type": "object",
        "required": [
          "object",
          "data",
          "first_id",
          "last_id",
          "has_more"
        ],
        "properties": {
          "object": {
            "const": "list"
          },
          "data": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Response"
            }
          },
          "first_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "last_id": {
            "type": [
              "string",
              "null"
            ]
          },
          "has_more": {
            "type": "boolean"
          }
        }
      },
      "Health": {
        "type": "object",
        "required": [
          "status"
        ],
        "properties": {
          "status": {
            "type": "string",
            "enum": [
              "ok",
              "unavailable"
            ]
          },
          "version": {
            "type": "string"
          },
          "checks": {
            "type": "object",
            "additionalProperties": {
              "type": "string",
              "enum": [
                "ok",
                "failing"
              ]
            }
          }
        }
      },
      "Nothing": {
        "type": "object",
        "maxProperties": 0
      }
    },
    "securitySchemes": {
      "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A bridge key; on a bridge without keys, optionally the upstream server's key."
      }
    }
  }
}

"""#
}
