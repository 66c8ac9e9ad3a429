import Foundation

/// Pillow's filters for resizing, by its names (`Image.Resampling`).
package enum ResizeFilter: String, Codable, Sendable, CaseIterable {
    case nearest, box, bilinear, hamming, bicubic, lanczos

    /// How far the filter reaches to each side, in source pixels where it enlarges.
    var support: Double {
        switch self {
        case .nearest, .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight of a pixel at a distance of `x`.
    func weight(_ x: Double) -> Double {
        let distance = abs(x)
        switch self {
        case .nearest, .box:
            return x > -0.5 && x <= 0.5 ? 1 : 0
        case .bilinear:
            return distance < 1 ? 1 - distance : 0
        case .hamming:
            guard distance < 1 else { return 0 }
            guard distance > 0 else { return 1 }
            return Self.sinc(distance) * (0.54 + 0.46 * cos(distance * .pi))
        case .bicubic:
            // Keys' cubic with a = -0.5.
            let a = -0.5
            if distance < 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
            return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * a : 0
        case .lanczos:
            return x >= -3 && x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
        }
    }

    private static func sinc(_ x: Double) -> Double {
        guard x != 0 else { return 1 }
        return sin(x * .pi) / (x * .pi)
    }
}
