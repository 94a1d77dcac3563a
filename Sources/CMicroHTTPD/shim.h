#ifndef REALTIME_BRIDGE_CMICROHTTPD_SHIM_H
#define REALTIME_BRIDGE_CMICROHTTPD_SHIM_H

#include <microhttpd.h>

// Swift cannot import variadic functions: MHD_start_daemon, with the options this project uses.
// The logger comes first so that it also hears of errors in the options after it.
static inline struct MHD_Daemon *bridge_mhd_start_daemon(
    unsigned int flags, int listening_descriptor, unsigned int threads, unsigned int connection_limit,
    size_t connection_memory_bytes, unsigned int idle_timeout_seconds, void *context, MHD_LogCallback log,
    MHD_AcceptPolicyCallback accept, MHD_NotifyConnectionCallback connection_changed,
    void *(*request_began)(void *context, const char *target, struct MHD_Connection *connection),
    MHD_AccessHandlerCallback access, MHD_RequestCompletedCallback request_ended) {
    struct MHD_OptionItem pool[] = {
        // A pool of one is refused; without the option there is one thread.
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        flags, 0, accept, context, access, context,
        MHD_OPTION_EXTERNAL_LOGGER, log, context,
        MHD_OPTION_LISTEN_SOCKET, listening_descriptor,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory_bytes,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout_seconds,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, context,
        MHD_OPTION_URI_LOG_CALLBACK, request_began, context,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, context,
        MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
}

// Variadic: MHD_get_connection_info. NULL for Unix sockets without a name too.
static inline const struct sockaddr *bridge_mhd_client_address(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

// Variadic: MHD_get_connection_info.
static inline int bridge_mhd_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

// Variadic: MHD_get_connection_info.
static inline size_t bridge_mhd_head_bytes(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

// Variadic: MHD_set_connection_option.
static inline void bridge_mhd_set_idle_timeout(struct MHD_Connection *connection, unsigned int seconds) {
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

// Variadic: MHD_set_response_options. The response then closes its connection.
static inline void bridge_mhd_disable_chunked(struct MHD_Response *response) {
    MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
}

// Macros with casts.
static const uint64_t bridge_mhd_size_unknown = MHD_SIZE_UNKNOWN;
static const ssize_t bridge_mhd_end_of_stream = MHD_CONTENT_READER_END_OF_STREAM;
static const ssize_t bridge_mhd_end_with_error = MHD_CONTENT_READER_END_WITH_ERROR;

#endif
