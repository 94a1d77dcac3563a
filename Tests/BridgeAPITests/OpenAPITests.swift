import Foundation
import Realtime
import Testing

@testable import BridgeAPI

/// `openapi.json` and the route table say the same, both ways. Every answer that other tests get is held against it too
/// (`APIFixture.send`).
@Suite struct OpenAPITests {
    @Test func theProgramCarriesTheFile() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "openapi.json")
        #expect(try Array(Data(contentsOf: file)) == OpenAPIDocument.bytes)
    }

    @Test func everyRouteIsDocumentedAndNothingElse() {
        let documented = OpenAPIContract.shared.operations
        let routes = RouteTable.routes.map { "\($0.method.rawValue) \($0.pattern) \($0.operation)" }
        #expect(Set(routes) == Set(documented.map { "\($0.method) \($0.path) \($0.id)" }))
        #expect(Set(RouteTable.routes.map(\.operation)).count == RouteTable.routes.count)
    }

    @Test(arguments: RouteTable.routes.map(\.operation))
    func aRoutesParametersAreDocumented(operation: String) throws {
        let route = try #require(RouteTable.routes.first { $0.operation == operation })
        let documented = try #require(OpenAPIContract.shared.operations.first { $0.id == operation })
        #expect(Set(route.query) == documented.names(in: "query"))
        let inPath = route.pattern.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
        #expect(Set(inPath) == documented.names(in: "path"))
        #expect((route.body != .none) == documented.hasBody)
        #expect((route.access == .caller) == documented.needsKey)
        #expect(route.honoursPrefer == documented.names(in: "header").contains("Prefer"))
        #expect(route.takesKey == documented.names(in: "header").contains("Idempotency-Key"))
        #expect(route.takesKey == documented.statuses.contains("422"))
        #expect(documented.statuses.isSuperset(of: ["400", "500"]))
    }

    /// Whoever repeats a POST by itself must not have to know which.
    @Test func everyPostTakesAKey() {
        #expect(RouteTable.routes.filter { $0.takesKey != ($0.method == .post) }.map(\.operation) == [])
    }

    /// What a status is for is written once; a route that names it means that.
    @Test func everyErrorStatusIsDocumentedSomewhere() {
        let all = OpenAPIContract.shared.operations.reduce(into: Set<String>()) { $0.formUnion($1.statuses) }
        // 405 is no operation's: there is none for that method.
        let possible = APIError.Status.allCases.map { String($0.rawValue) }.filter { $0 != "405" }
        #expect(all.isSuperset(of: possible))
    }
}

/// The document, with its references followed.
struct OpenAPIContract: Sendable {
    struct Operation: Sendable {
        let path: String
        let method: String
        let id: String
        let parameters: [(name: String, place: String)]
        let hasBody: Bool
        let needsKey: Bool
        let statuses: Set<String>

        func names(in place: String) -> Set<String> {
            Set(parameters.filter { $0.place == place }.map(\.name))
        }
    }

    let operations: [Operation]

    static let shared = OpenAPIContract()

    private init() {
        guard let document = try? JSON.parse(OpenAPIDocument.bytes) else {
            operations = []
            return
        }
        operations = (document["paths"]?.members ?? []).flatMap { path, methods in
            methods.members.map { method, operation in
                Operation(
                    path: path, method: method.uppercased(), id: operation["operationId"]?.string ?? "",
                    parameters: (operation["parameters"]?.elements ?? []).map { parameter in
                        let followed = Self.follow(parameter, in: document)
                        return (followed["name"]?.string ?? "", followed["in"]?.string ?? "")
                    },
                    hasBody: operation["requestBody"] != nil, needsKey: operation["security"] == nil,
                    statuses: Set((operation["responses"]?.members ?? []).map(\.name)))
            }
        }
    }

    private static func follow(_ value: JSON, in document: JSON) -> JSON {
        guard let reference = value["$ref"]?.string else { return value }
        return reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] ?? $0 }
    }

    /// Whether an answer of that status is what the document says of the route.
    func allows(operation: String, status: Int) -> Bool {
        guard let found = operations.first(where: { $0.id == operation }) else { return false }
        return found.statuses.contains(String(status))
    }
}
