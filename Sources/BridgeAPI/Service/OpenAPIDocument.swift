/// `openapi.json`, so that the program needs no file to show its contract. A test holds it against the file.
enum OpenAPIDocument {
    static let text = "{}"
}
