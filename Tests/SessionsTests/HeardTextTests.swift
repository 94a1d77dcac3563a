import Testing

@testable import Sessions

@Suite struct HeardTextTests {
    @Test(arguments: [
        ("one two three four", 0, 100, ""),
        ("one two three four", 100, 100, "one two three four"),
        ("one two three four", 50, 100, "one two"),
        // Into the third word.
        ("one two three four", 70, 100, "one two"),
        ("one two three four", 1, 100, ""),
        ("one two three four", -5, 100, ""),
        ("unbreakable", 99, 100, ""),
        ("  one two", 60, 100, "  one"),
        ("今日はいい天気です", 50, 100, "今日はい"),
        ("日本語 and English", 30, 100, "日本語"),
        ("", 50, 100, ""),
        ("one two", 50, 0, ""),
        ("one two", Int.max, 100, "one two"),
    ])
    func keepsTheWordsThatEndBeforeTheCut(text: String, heard: Int, produced: Int, kept: String) {
        #expect(HeardText.cut([text], heardMilliseconds: heard, producedMilliseconds: produced) == [kept])
    }

    @Test func partsAreHeardOneAfterTheOther() {
        let parts = ["one two ", "three four"]
        #expect(HeardText.cut(parts, heardMilliseconds: 80, producedMilliseconds: 100) == ["one two", "three"])
        #expect(HeardText.cut(parts, heardMilliseconds: 30, producedMilliseconds: 100) == ["one", ""])
    }
}
