#ifndef REALTIME_BRIDGE_COPENSSL_SHIM_H
#define REALTIME_BRIDGE_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#endif
