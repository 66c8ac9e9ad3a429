import Foundation
import TestSupport
import Testing

import PromptText

struct PromptCleaningTests {
    private struct Cases: Decodable {
        struct Case: Decodable {
            let name, text, cleaned: String
        }
        let cases: [Case]
    }

    @Test func cleansTheReferencePrompts() throws {
        let cases = try Fixtures.json(Cases.self, "wan22-tiny/reference/tokenizer_cases.json").cases
        #expect(cases.count == 20)
        for item in cases {
            #expect(codePoints(PromptCleaning.clean(item.text)) == codePoints(item.cleaned), "\(item.name)")
        }
    }

    /// What ftfy and html.unescape make of texts in many languages, well and badly encoded.
    @Test func agreesWithFtfy() throws {
        let cases = try Fixtures.json([[String]].self, "text/cleaning_cases.json")
        #expect(cases.count > 60)
        for item in cases {
            #expect(codePoints(PromptCleaning.clean(item[0])) == codePoints(item[1]), "\(item[0].debugDescription)")
        }
    }
}
