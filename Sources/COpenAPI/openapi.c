#include "openapi.h"

// C23 #embed: the one file at the top level is the contract, and the program needs no copy of it, neither beside it nor in source.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const unsigned char document[] = {
#embed "../../openapi.json"
};

const unsigned char *openapi_document(void) { return document; }
unsigned long openapi_document_bytes(void) { return sizeof document; }
