/* SPDX-License-Identifier: MIT */
/*
 * `monitor py-break-if': native breakpoints that stop only if a text is in the Python stack
 * of the thread that hits them.  Judged here, with that thread alone stopped.
 *
 * The protocol has no numbers of breakpoints.  WHERE says which of the client's are meant:
 * an address, a function that they lie in, `all', or N: the N-th that the client has set so
 * far, not counting those in the loader and the C library, which clients set for themselves.
 */
#ifndef STUB_BREAKIF_H
#define STUB_BREAKIF_H

#include "stub/base/buf.h"
#include "stub/base/err.h"
#include "stub/target/target.h"

struct session;
struct breakif;

void breakif_destroy(struct breakif *b);
/* The process is another one: rules stay, what was seen of its breakpoints does not. */
void breakif_forget(struct session *s);

/* The client has set a native breakpoint there. */
void breakif_note(struct session *s, uint64_t addr);

/* Whether a hit is to be told as far as this is concerned. */
bool breakif_tells(struct session *s, const struct target_hit *hit);
/* Whether there is anything to judge. */
bool breakif_any(const struct session *s);

/* The command. */
struct err *breakif_command(struct session *s, const char *args, struct buf *out) MUST_CHECK;

#endif
