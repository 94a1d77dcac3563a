import Foundation
import Sessions

/// Which Realtime servers there are: the one that the flags describe, named `default`, and those below `upstreams` in the file.
enum UpstreamSettings {
    static let defaultName = "default"
    private static let group = "upstreams"
    /// The settings of the file, as ``SettingsReader`` wants them.
    static let names = UpstreamReader.names.map { "\(group).*.\($0)" }

    /// All upstreams, checked; the first one is the default.
    /// - Parameter simulator: the upstream of `demo`, in the place of the flags' one.
    static func upstreams(_ reader: SettingsReader, simulator: UpstreamConfiguration?) throws -> [UpstreamConfiguration] {
        let named = try reader.string("default-upstream")
        var upstreams = try reader.names(in: group).map { try UpstreamReader.inFile(reader, name: checked($0), group: group).upstream() }
        let flags = UpstreamReader.flags(reader, name: defaultName)
        // With a default in the file, the flags' upstream is there only if they say where it is.
        if let simulator {
            upstreams.append(simulator)
        } else if try named == nil || named == defaultName || flags.isDescribed {
            upstreams.append(try flags.upstream())
        }
        try refuseSharedModels(upstreams)
        let chosen = named ?? simulator?.name ?? defaultName
        guard let index = upstreams.firstIndex(where: { $0.name == chosen }) else {
            let names = upstreams.map(\.name)
            let there = names.isEmpty ? "" : "; there is " + names.map { "'\($0)'" }.joined(separator: ", ")
            throw SettingError(
                description: "the setting default-upstream is '\(chosen)', but no upstream has this name; they stand under `\(group)` in "
                    + "the file of --config\(there)\(Suggestion.hint(for: chosen, among: names))")
        }
        upstreams.insert(upstreams.remove(at: index), at: 0)
        // A caller's own credential goes to the default upstream (API.md section 6) unless its settings say otherwise.
        if try reader.bool("\(group).\(chosen).pass_through") == nil { upstreams[0].takesCallersCredential = true }
        return upstreams
    }

    private static func checked(_ name: String) throws -> String {
        guard name != defaultName else {
            throw SettingError(
                description: "the upstream 'default' is the one of the setting upstream-url: give \(group).default another name")
        }
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(\.isUpstreamNameByte) else {
            throw SettingError(description: "a name below the setting \(group) must be 1 to 64 letters, digits, hyphens or underscores")
        }
        return name
    }

    private static func refuseSharedModels(_ upstreams: [UpstreamConfiguration]) throws {
        var owners: [String: String] = [:]
        for upstream in upstreams {
            for model in upstream.models {
                guard let owner = owners.updateValue(upstream.name, forKey: model), owner != upstream.name else { continue }
                throw SettingError(
                    description: "the settings \(group).\(owner).models and \(group).\(upstream.name).models both list '\(model)': "
                        + "a session that names it can go to one of them only")
            }
        }
    }
}

extension UInt8 {
    fileprivate var isUpstreamNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
