/* SPDX-License-Identifier: MIT */
#include "tests/unit/bench.h"

void bench_init(struct bench *b, const struct fake_region *regions, size_t n)
{
	*b = (struct bench){ 0 };
	fake_init(&b->fake, regions, n, NULL);
	session_init(&b->s, &b->fake.target, &b->options);
}

void bench_deinit(struct bench *b)
{
	session_deinit(&b->s);
	fake_deinit(&b->fake);
	buf_deinit(&b->reply);
}

void bench_ask(struct bench *b, const void *packet, size_t len)
{
	size_t at = 0;
	_cleanup_buf_ struct buf more = { 0 };

	buf_clear(&b->s.tx);
	wire_send(&b->s, packet, len);
	cr_assert(wire_next(&b->s.tx, &at, &b->reply), "no reply");
	cr_assert_not(wire_next(&b->s.tx, &at, &more), "a second reply");
	buf_put(&b->reply, "", 1);
	b->reply.len--;
}

const char *ask(struct bench *b, const char *packet)
{
	bench_ask(b, packet, strlen(packet));
	return (const char *)b->reply.data;
}
