import HTTPServer
import Realtime
import Sessions
import Upstream

/// `/v1/upstreams`: the Realtime servers there are, for the operator.
enum UpstreamRoutes {
    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        try requireOperator(api, call)
        let status = Dictionary(api.poolStatus().map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let views = api.upstreams.enumerated().map { index, upstream in
            (upstream.name, UpstreamView.value(upstream, isDefault: index == 0, status[upstream.name]))
        }
        return .json(ListObject.value(views, hasMore: false))
    }

    /// Without keys nobody can be told from another, but who sits at the machine can be told from who does not.
    private static func requireOperator(_ api: BridgeAPI, _ call: APICall) throws(APIError) {
        if !api.configuration.keys.isEmpty {
            guard call.caller.seesAll else {
                throw APIError(
                    .forbidden, code: "admin_scope_required",
                    "Upstreams are shown to keys with the scope 'admin' only; it is given in the key file, as name:sha256:admin.")
            }
        } else if let address = call.head.remoteAddress, !ListenAddress.tcp(host: address, port: 0).isLoopback {
            throw APIError(
                .forbidden, code: "admin_scope_required",
                "This bridge has no keys: it shows its upstreams to its own machine only. With keys, those with the scope 'admin' see them."
            )
        }
    }
}
