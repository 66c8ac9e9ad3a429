import Support
import Testing

@Suite struct ContentTypeTests {
    /// Types as IANA's registry has them; text says its encoding.
    @Test(
        arguments: [
            ("a.png", "image/png"), ("a.jpg", "image/jpeg"), ("a.jpeg", "image/jpeg"), ("A.JPEG", "image/jpeg"),
            ("a.webp", "image/webp"), ("a.mp4", "video/mp4"), ("index.html", "text/html; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"), ("app.css", "text/css; charset=utf-8"),
            ("a.b.svg", "image/svg+xml"), ("x.json", "application/json"), ("folder.png/data.bin", ContentType.bytes),
            ("folder.png/data", ContentType.bytes), ("jobs/1/a.mp4", "video/mp4"), (".png", "image/png"),
            ("png", ContentType.bytes), ("a.png.", ContentType.bytes), ("a.exe", ContentType.bytes),
            ("", ContentType.bytes), ("a.e\u{301}.png", "image/png"), ("a.p\u{301}ng", ContentType.bytes),
        ])
    func endings(name: String, type: String) {
        #expect(ContentType.of(name) == type)
    }
}
