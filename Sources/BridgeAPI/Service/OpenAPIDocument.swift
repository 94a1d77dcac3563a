import COpenAPI

/// `openapi.json`, which is compiled into the program.
enum OpenAPIDocument {
    static let bytes = Array(UnsafeBufferPointer(start: openapi_document(), count: Int(openapi_document_bytes())))
}
