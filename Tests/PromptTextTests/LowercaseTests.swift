import TestSupport
import Testing

import PromptText

struct LowercaseTests {
    private struct Cases: Decodable {
        struct Case: Decodable {
            let name, text, cleaned: String
        }
        let cases: [Case]
    }

    /// What Python makes of the texts of the fixture.
    @Test func cleansTheReferencePrompts() throws {
        let cases = try Fixtures.json(Cases.self, "sana-sprint-tiny/reference/tokenizer_cases.json").cases
        #expect(cases.count == 20)
        for item in cases {
            #expect(codePoints(item.text.pythonLowercasedAndStripped) == codePoints(item.cleaned), "\(item.name)")
        }
    }

    /// Python's `'...'.lower().strip()`: a capital sigma ends a word as ς, and İ becomes two code points.
    @Test(arguments: [
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"), ("Σ", "σ"), ("ΑΣ.", "ας."), ("ΑΣ.Β", "ασ.β"), ("ΑΣ'Β", "ασ'β"), ("İX", "i\u{307}x"),
        ("\u{1C} A\u{3000}", "a"), ("", ""),
    ]) func sigmaAndWhiteSpace(text: String, expected: String) {
        #expect(codePoints(text.pythonLowercasedAndStripped) == codePoints(expected))
    }
}
