/// Which Phasor this is, as commands, metrics and documents say it.
package enum Release {
    package static let version = "0.1.0"
}
