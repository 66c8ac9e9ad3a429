import PromptText
import TestSupport
import Testing

struct HTMLEntitiesTests {
    /// Names, old names without semicolon, numbers in and out of range, as Python's html.unescape reads them.
    @Test func agreesWithPython() throws {
        let cases = try Fixtures.json([[String]].self, "text/unescape_cases.json")
        #expect(cases.count > 400)
        for item in cases {
            let unescaped = HTMLEntities.unescape(Array(item[0].unicodeScalars)).map(\.value)
            #expect(unescaped == codePoints(item[1]), "\(item[0].debugDescription)")
        }
    }
}
