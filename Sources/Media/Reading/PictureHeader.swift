/// What a file says of its picture before its pixels.
package struct PictureHeader: Sendable, Equatable {
    package let format: PictureFormat
    /// The width of the pixels as they are stored.
    let storedWidth: Int
    let storedHeight: Int
    package let orientation: Orientation
    package let hasAlpha: Bool

    /// The width of the picture as it is to be seen.
    package var width: Int { orientation.swapsSides ? storedHeight : storedWidth }
    package var height: Int { orientation.swapsSides ? storedWidth : storedHeight }
}
