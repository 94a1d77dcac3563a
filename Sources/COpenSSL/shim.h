#ifndef REALTIME_BRIDGE_COPENSSL_SHIM_H
#define REALTIME_BRIDGE_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Swift cannot call SSL_CTX_set_min_proto_version: a macro over SSL_CTX_ctrl. */
static inline long bridge_ssl_ctx_require_tls12(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/* SSL_OP_NO_RENEGOTIATION is a macro with a cast. */
static inline void bridge_ssl_ctx_forbid_renegotiation(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
}

/* SSL_CTX_set_mode is a macro over SSL_CTX_ctrl. */
static inline void bridge_ssl_ctx_release_idle_buffers(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

/* SSL_set_tlsext_host_name is a macro over SSL_ctrl. */
static inline long bridge_ssl_set_server_name(SSL *session, const char *name) {
    return SSL_set_tlsext_host_name(session, name);
}

/* SSL_get0_certificate_types is a macro over SSL_ctrl. Nonzero once the server has asked for a client certificate (TLS 1.2). */
static inline long bridge_ssl_was_asked_for_certificate(SSL *session) {
    const unsigned char *types = 0;
    return SSL_get0_certificate_types(session, &types);
}

#endif
