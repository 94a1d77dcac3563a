import HTTPServer
import Logging

/// A web site of somebody else: the same page at every path, on a port of its own.
struct StaticSite: HTTPHandler {
    let page: String

    /// Serves while the body runs.
    /// - Parameter body: gets the site's port on 127.0.0.1.
    static func run<Result>(_ page: String, _ body: (UInt16) async throws -> Result) async throws -> Result {
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(listen: [.tcp(host: "127.0.0.1", port: 0)]), handler: StaticSite(page: page),
            logger: Logger(label: "site"))
        guard case .tcp(_, let port)? = try server.start().first else { preconditionFailure("a TCP listener has a port") }
        do {
            let result = try await body(port)
            await server.stop(within: .seconds(1))
            return result
        } catch {
            await server.stop(within: .seconds(1))
            throw error
        }
    }

    func refusal(of head: RequestHead) -> Response? { nil }

    func respond(to request: Request) async -> Response {
        Response(status: 200, headers: ["content-type": "text/html; charset=utf-8"], body: .bytes(Array(page.utf8)))
    }

    func answered(_ head: RequestHead, status: Int) {}
}
