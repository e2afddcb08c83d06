/* SPDX-License-Identifier: MIT */
/*
 * Rules that need no decoder, for code that was not analysed: V8's own, as it registers them on
 * Windows ("Generating stack unwinding information for V8 jitted code on Windows", two forms).
 * They reach the outermost frame, and lose the caller wherever the frame is not built yet or
 * not any more.
 */
#ifndef QXFER_JIT_FALLBACK_H
#define QXFER_JIT_FALLBACK_H

#include "qxfer/jit/rows.h"

/* One entry for [start, end): push %rbp; mov %rsp,%rbp at its begin, and a frame from then on. */
void fallback_single(struct jit_table *t, uint32_t start, uint32_t end);

/* An entry for each place that builds a frame, and one for what comes before the first: n + 1. */
void fallback_each(struct jit_table *t, const uint8_t *code, uint32_t start, uint32_t end);

#endif
