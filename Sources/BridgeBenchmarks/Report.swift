import Foundation

/// What is printed: figures with their units, and beside each row what the machine was doing otherwise.
enum Report {
    static func machine() {
        let cpu =
            (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n")
            .first { $0.hasPrefix("model name") }?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
        let kernel = (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
        line("machine: \(cpu), \(ProcessInfo.processInfo.activeProcessorCount) processors, Linux \(kernel ?? "unknown")")
    }

    static func begin(_ row: Row) {
        let load = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8))?.split(separator: " ").first ?? "unknown"
        line("\n\(row.rawValue): \(row.summary)  [load before: \(load)]")
    }

    static func figure(_ name: String, _ value: String, aim: String? = nil) {
        line("  \(name): \(value)" + (aim.map { "  (aim \($0))" } ?? ""))
    }

    static func line(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}

extension Double {
    func places(_ count: Int) -> String { String(format: "%.\(count)f", self) }
}

extension Int {
    /// Bytes as MB of 1,000,000.
    var megabytes: String { "\((Double(self) / 1e6).places(1)) MB" }
    var nanosecondsAsMilliseconds: String { "\((Double(self) / 1e6).places(1)) ms" }
    var nanosecondsAsMicroseconds: String { "\((Double(self) / 1e3).places(1)) µs" }
}

/// Values that were all kept.
struct Sample {
    private var values: [Int]

    init(_ values: [Int]) { self.values = values.sorted() }

    var count: Int { values.count }

    /// - Parameter share: 0.5 for the median, 1 for the largest.
    func quantile(_ share: Double) -> Int {
        precondition(!values.isEmpty, "a quantile of nothing")
        return values[min(values.count - 1, Int(Double(values.count) * share))]
    }
}

/// Why a row has no figures.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
