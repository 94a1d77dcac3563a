/// One frame of a view: what a reader is shown of an upstream event, or a part of that.
package struct ViewFrame: Sendable, Equatable {
    /// The event's name in the view.
    package let type: String
    /// The response that the frame says it belongs to.
    package let responseID: String?
    package let bytes: [UInt8]

    package init(type: String, responseID: String?, bytes: [UInt8]) {
        self.type = type
        self.responseID = responseID
        self.bytes = bytes
    }
}
