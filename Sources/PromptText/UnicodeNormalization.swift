import Foundation

extension String {
    // Foundation composes only parts of what it is given undecomposed: it leaves a Hangul syllable and a final
    // consonant apart, and half-width kana and their voicing marks. Decomposed first, the forms are right.

    /// Unicode normalisation form C.
    var nfc: String { decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping }

    /// Unicode normalisation form KC.
    var nfkc: String { decomposedStringWithCompatibilityMapping.precomposedStringWithCanonicalMapping }
}
