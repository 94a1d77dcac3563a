import Logging
import NIOPosix
import Upstream
import Webhooks

/// Which webhooks tools may have, checked, and what calling them takes.
struct WebhookSettings {
    let rules: WebhookRules
    let secrets: WebhookSecrets
    let tls: UpstreamTLS
    let attemptTime: Duration

    static let secretVariable = "REALTIME_BRIDGE_WEBHOOK_SECRET"

    /// Nil if no URL is allowed.
    init?(_ reader: SettingsReader) throws {
        let allowed = try reader.strings("webhook-allow") ?? []
        let networks = try (reader.strings("webhook-allow-address") ?? []).map { text in
            do {
                return try IPNetwork(text)
            } catch {
                throw SettingError(description: "the setting webhook-allow-address: '\(text)' \(error)")
            }
        }
        do {
            rules = try WebhookRules(allowed: allowed, networks: networks)
        } catch {
            throw SettingError(description: "the setting webhook-allow: \(error)")
        }
        tls = UpstreamTLS(caFile: try reader.string("webhook-ca"), caSetting: "the setting webhook-ca")
        if tls.caFile != nil {
            do {
                try tls.check()
            } catch {
                throw SettingError(description: error.message)
            }
        }
        attemptTime = .seconds(try reader.int("webhook-timeout", in: 1...60) ?? 10)
        guard !rules.isEmpty else { return nil }
        guard let secret = reader.variable(Self.secretVariable) else {
            throw SettingError(
                description:
                    "the setting webhook-allow needs a secret that calls are signed with: set the variable \(Self.secretVariable), "
                    + "such as to what `echo \(WebhookSecrets.prefix)$(openssl rand -base64 32)` gives")
        }
        do {
            secrets = try WebhookSecrets(secret)
        } catch {
            throw SettingError(description: "the variable \(Self.secretVariable) \(error)")
        }
    }

    func webhooks(logger: Logger) -> Webhooks {
        Webhooks(
            rules: rules, secrets: secrets,
            sender: NIOWebhookSender(group: MultiThreadedEventLoopGroup.singleton, resolver: SystemWebhookResolver(), tls: tls),
            attemptTime: attemptTime,
            logger: logger)
    }
}
