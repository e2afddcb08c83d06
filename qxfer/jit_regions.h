/* SPDX-License-Identifier: MIT */
/* What code has no unwind tables: a document, a table of `info os', and text. */
#ifndef QXFER_JIT_REGIONS_H
#define QXFER_JIT_REGIONS_H

#include "qxfer/jit/jit.h"
#include "stub/base/buf.h"

/* The document unwind-regions: docs/protocol.md. */
struct err *jit_regions_document(struct jit *j, const struct space *s, struct buf *out) MUST_CHECK;
/* The rows of `info os code-regions'. */
struct err *jit_regions_table(struct jit *j, const struct space *s, struct buf *out) MUST_CHECK;
/* `monitor unwind-regions'. */
struct err *jit_regions_text(struct jit *j, const struct space *s, struct buf *out) MUST_CHECK;

#endif
