#include "depthwise.h"

#include "lanes.h"
#include "levels.h"

// Nine to forty-nine multiply-adds a value: memory is what counts. A row is done for some hundred channels at a time, so that
// their weights and the neighbours in the row stay in the first cache.

/// Where the taps of a place lie: those inside the picture.
typedef struct {
    size_t count;
    size_t in[49], weight[49];
} neighbours;

PHASOR_INLINE neighbours neighbours_of(const phasor_depthwise *w, size_t y, size_t x) {
    neighbours n = {0};
    size_t half = w->side / 2;
    for (size_t dy = 0; dy < w->side; dy++) {
        size_t row = y + dy - half;  // wraps above the picture: then it is not inside
        if (row >= w->height) continue;
        for (size_t dx = 0; dx < w->side; dx++) {
            size_t column = x + dx - half;
            if (column >= w->width) continue;
            n.in[n.count] = (row * w->width + column) * w->channels;
            n.weight[n.count++] = (dy * w->side + dx) * w->channels;
        }
    }
    return n;
}

PHASOR_INLINE void sum_lanes(const phasor_depthwise *w, const neighbours *n, size_t c, const int vectors, phasor_lanes *sum) {
    for (int v = 0; v < vectors; v++)
        sum[v] = w->bias ? *(const phasor_lanes *)(w->bias + c + v * LANE_COUNT) : (phasor_lanes){0};
    for (size_t t = 0; t < n->count; t++)
        for (int v = 0; v < vectors; v++) {
            size_t channel = c + (size_t)v * LANE_COUNT;
            sum[v] += *(const phasor_lanes *)(w->in + n->in[t] + channel)
                * *(const phasor_lanes *)(w->weight + n->weight[t] + channel);
        }
}

PHASOR_INLINE float sum_one(const phasor_depthwise *w, const neighbours *n, size_t c) {
    float sum = w->bias ? w->bias[c] : 0;
    for (size_t t = 0; t < n->count; t++) sum += w->in[n->in[t] + c] * w->weight[n->weight[t] + c];
    return sum;
}

PHASOR_INLINE void block(const phasor_depthwise *w, const neighbours *n, size_t c, const int vectors, float *out) {
    phasor_lanes sum[4];
    sum_lanes(w, n, c, vectors, sum);
    if (w->gated) {
        phasor_lanes gate[4];
        sum_lanes(w, n, w->channels / 2 + c, vectors, gate);
        float a[4 * LANE_COUNT], b[4 * LANE_COUNT];
        for (int v = 0; v < vectors; v++) {
            *(phasor_lanes *)(a + v * LANE_COUNT) = sum[v];
            *(phasor_lanes *)(b + v * LANE_COUNT) = gate[v];
        }
        for (int i = 0; i < vectors * LANE_COUNT; i++) out[i] = a[i] * (b[i] * phasor_sigmoid(b[i]));
        return;
    }
    for (int v = 0; v < vectors; v++) *(phasor_lanes *)(out + v * LANE_COUNT) = sum[v];
}

PHASOR_INLINE void phasor_depthwise_row_body(const phasor_depthwise *w, size_t row, size_t first, size_t count) {
    size_t outputs = w->gated ? w->channels / 2 : w->channels, end = first + count;
    for (size_t x = 0; x < w->width; x++) {
        neighbours n = neighbours_of(w, row, x);
        float *out = w->out + (row * w->width + x) * outputs;
        size_t c = first;
        for (; c + 4 * LANE_COUNT <= end; c += 4 * LANE_COUNT) block(w, &n, c, 4, out + c);
        for (; c + LANE_COUNT <= end; c += LANE_COUNT) block(w, &n, c, 1, out + c);
        for (; c < end; c++) {
            float sum = sum_one(w, &n, c);
            if (w->gated) {
                float gate = sum_one(w, &n, w->channels / 2 + c);
                sum *= gate * phasor_sigmoid(gate);
            }
            out[c] = sum;
        }
    }
}
PHASOR_DISPATCH(
    phasor_depthwise_row, (const phasor_depthwise *work, size_t row, size_t first, size_t count),
    (work, row, first, count))
