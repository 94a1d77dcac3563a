import Realtime
import Testing

struct BridgeEventTests {
    @Test func aSwitchNamesWhatWasLostAndWhatWasAltered() {
        let event = BridgeEvent.switched(
            reason: "expired", generation: 3, stateRestored: false, itemsReplayed: 7, itemsLost: [("a", "refused")],
            itemsAltered: [("b", "transcript"), ("c", "text")], inputAudioLostMilliseconds: 20)
        #expect(
            String(decoding: event, as: UTF8.self)
                == #"{"type":"bridge.upstream.switched","reason":"expired","generation":3,"state_restored":false,"items_replayed":7,"#
                + #""items_lost":[{"id":"a","why":"refused"}],"items_altered":[{"id":"b","how":"transcript"},{"id":"c","how":"text"}],"#
                + #""input_audio_lost_ms":20}"#)
    }

    @Test func aCutOfTheBridgesOwnIsSpeltAsUpstreams() {
        let event = BridgeEvent.itemTruncated(itemID: "item_1", contentIndex: 0, audioEndMilliseconds: 1500, eventID: "event_bridge_9")
        #expect(
            String(decoding: event, as: UTF8.self)
                == #"{"type":"conversation.item.truncated","event_id":"event_bridge_9","item_id":"item_1","content_index":0,"#
                + #""audio_end_ms":1500,"bridge":{"synthesized":true}}"#)
        #expect(ServerEvent(event)?.name == .conversationItemTruncated)
    }
}
