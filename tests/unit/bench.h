/* SPDX-License-Identifier: MIT */
/* A session over the fake target, asked one packet at a time. */
#ifndef TESTS_UNIT_BENCH_H
#define TESTS_UNIT_BENCH_H

#include <criterion/criterion.h>

#include "tests/fake/fake_target.h"
#include "tests/fake/wire.h"

struct bench {
	struct fake fake;
	struct session s;
	struct options options;
	struct buf reply; /* the last one's payload, and a NUL after it */
};

void bench_init(struct bench *b, const struct fake_region *regions, size_t n);
void bench_deinit(struct bench *b);

/* Sends it, and leaves the one reply in b->reply. */
void bench_ask(struct bench *b, const void *packet, size_t len);

/* Asks, and says what is answered, as text; good until the next question. */
const char *ask(struct bench *b, const char *packet);

#define assert_answer(b, packet, want)                                     \
	cr_assert_str_eq(ask((b), (packet)), (want), "%s -> %s", (packet), \
			 (const char *)(b)->reply.data)

#endif
