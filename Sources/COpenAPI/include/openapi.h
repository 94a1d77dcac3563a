#ifndef REALTIME_BRIDGE_COPENAPI_H
#define REALTIME_BRIDGE_COPENAPI_H

/// The bytes of openapi.json; lives as long as the process.
const unsigned char *openapi_document(void);
unsigned long openapi_document_bytes(void);

#endif
