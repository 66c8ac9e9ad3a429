# The server with its embedded model. Build: docker build -t phasor .
# Run: docker run -p 8080:8080 -v phasor-state:/var/lib/phasor phasor
#
# Debian's libavcodec brings x264, whose licence is the GPL: an image that is handed on falls under it.

FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libavcodec-dev libavformat-dev libcurl4-openssl-dev libjpeg62-turbo-dev \
        libopenblas-dev libpng-dev libpq-dev libsqlite3-dev libwebp-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The dependencies change less often than the sources: a layer of their own.
COPY Package.swift ./
RUN swift package resolve
COPY Sources Sources
# SwiftPM wants the folders of all targets, those of the tests too.
COPY Tests Tests
RUN swift build -c release --static-swift-stdlib --product phasor \
    && install -D --strip "$(swift build -c release --show-bin-path)/phasor" /install/bin/phasor

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        libavcodec59 libavformat59 libavutil57 libcurl4 libgcc-s1 libjpeg62-turbo libopenblas0-pthread \
        libpng16-16 libpq5 libsqlite3-0 libstdc++6 libwebp7 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 phasor \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/phasor phasor \
    && install -d -o phasor -g phasor -m 700 /var/lib/phasor
COPY --from=build /install/bin/phasor /usr/local/bin/phasor
# `phasor serve` finds the embedded model and the web page in its working directory.
WORKDIR /opt/phasor
COPY Models Models
COPY public public
# By number: what runs the image can see that it is not root's.
USER 10001:10001
# Jobs and finished pictures and clips.
VOLUME /var/lib/phasor
EXPOSE 8080
# By bash's own sockets: the image has no curl.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && IFS= read -r status <&3 && [[ $status == 'HTTP/1.1 200 '* ]]"]
ENTRYPOINT ["phasor"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080", "--state", "/var/lib/phasor"]
