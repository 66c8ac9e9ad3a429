extension String {
    /// What Python's `lower().strip()` gives: the full mapping of Unicode, with the capital sigma at the end of a word as ς.
    package var pythonLowercasedAndStripped: String {
        let scalars = Array(unicodeScalars)
        var result = String.UnicodeScalarView()
        for (index, scalar) in scalars.enumerated() {
            if scalar == "\u{3A3}" {
                let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
                let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
                let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
                result.append(isFinal ? "\u{3C2}" : "\u{3C3}")
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        var rest = result[...].drop(while: \.isPythonWhitespace)
        while let last = rest.last, last.isPythonWhitespace { rest.removeLast() }
        return String(rest)
    }
}
