import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Realtime
import Testing

@testable import Simulator

/// Starts a simulator on a free port, runs the body, stops it.
func withSimulator<Result>(
    _ dialect: Dialect, _ configure: (inout SimulatorConfiguration) -> Void = { _ in },
    _ body: (Simulator.Address) async throws -> Result
) async throws -> Result {
    var configuration = SimulatorConfiguration(dialect: dialect)
    configuration.speech = .tone
    configure(&configuration)
    let simulator = Simulator(
        configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
        logger: Logger(label: "simulator") { _ in SwiftLogNoOpLogHandler() })
    let address = try await simulator.start()
    do {
        let result = try await body(address)
        await simulator.stop()
        return result
    } catch {
        await simulator.stop()
        throw error
    }
}

@Suite struct SimulatorTests {
    @Test(arguments: Dialect.allCases)
    func `a text turn over a socket`(dialect: Dialect) async throws {
        try await withSimulator(dialect) { address in
            #expect(address.url == "ws://127.0.0.1:\(address.port)/v1/realtime")
            let client = try await WebSocketClient.connect(port: address.port)
            #expect(try await client.event().type == "session.created")
            client.send(Request.textOnly(dialect))
            _ = try await client.events(upTo: "session.updated")
            client.send(Request.text("Say hello there."))
            client.send(Request.respond)
            let done = try #require(try await client.events(upTo: "response.done").last)
            #expect(done.at("response.status")?.string == "completed")
            #expect(done.at("response.output.0.content.0.text")?.string == "hello there.")
            client.close()
            while true {
                guard case .close(let code, _) = try await client.next() else { continue }
                #expect(code == 1000)
                break
            }
        }
    }
}
