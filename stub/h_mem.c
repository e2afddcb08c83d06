/* SPDX-License-Identifier: MIT */
/*
 * Memory: m M x X, qSearch:memory, qCRC.  A read answers what could be read;
 * only a first byte that cannot be is an error.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/crc32.h"
#include "stub/handlers.h"
#include "stub/session.h"
#include "stub/trace.h"
#include "stub/view.h"

#define CHUNK 0x10000u /* of a search or a sum */

/*
 * The stub answers nobody while it searches or sums: a few seconds at most.
 * The client can go on from there.
 */
#define SCAN_MAX (16ull << 30)

/* What the client sees: the inferior, or what a tracepoint recorded of it. */
static size_t see_some(struct session *s, uint64_t addr, void *buf, size_t len)
{
	return trace_looks(s) ? trace_read_some(s, addr, buf, len)
			      : view_read_some(s, addr, buf, len);
}

static struct err *see(struct session *s, uint64_t addr, void *buf, size_t len)
{
	if (!trace_looks(s))
		return view_read(s, addr, buf, len);
	size_t n = trace_read_some(s, addr, buf, len);
	if (n == len)
		return NULL;
	return err_new(ERR_FAULT, "memory at 0x%llx was not recorded",
		       (unsigned long long)(addr + n));
}

static bool parse_range(struct rsp_cursor *args, uint64_t *addr, uint64_t *len)
{
	return cur_hex(args, addr) && cur_char(args, ',') && cur_hex(args, len);
}

/* How much of [addr, addr + len) there is before the address space ends. */
static uint64_t clamp_range(uint64_t addr, uint64_t len)
{
	return addr && len > -addr ? -addr : len;
}

HANDLER(h_read_mem)
{
	struct session *s = session;
	uint64_t addr, len;
	_cleanup_buf_ struct buf bytes = { 0 };

	if (!parse_range(args, &addr, &len) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed m");
	if (len > RSP_PACKET_MAX / 2)
		len = RSP_PACKET_MAX / 2;
	uint8_t *at = buf_room(&bytes, len);
	if (!at)
		return &err_nomem;
	size_t n = see_some(s, addr, at, len);
	if (n == 0 && len)
		return see(s, addr, at, 1);
	buf_put_hex(out, at, n);
	return NULL;
}

/*
 * gdb 16 and later, told binary-upload+, read 'b' and the bytes.  lldb asks for
 * none at all to see whether there is an x, and reads bare bytes.
 */
HANDLER(h_read_binary)
{
	struct session *s = session;
	uint64_t addr, len;
	size_t n, escaped;

	if (!parse_range(args, &addr, &len) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed x");
	if (s->peer.lldb && !len) {
		buf_puts(out, "OK");
		return NULL;
	}
	if (!s->peer.lldb)
		buf_puts(out, "b");
	if (len > RSP_PACKET_MAX)
		len = RSP_PACKET_MAX;
	uint8_t *at = buf_room(out, len);
	if (!at)
		return &err_nomem;
	n = see_some(s, addr, at, len);
	if (n == 0 && len)
		return see(s, addr, at, 1);
	out->len += rsp_escape_fit(at, n, RSP_PACKET_MAX - out->len, &escaped);
	return NULL;
}

HANDLER(h_write_mem)
{
	struct session *s = session;
	uint64_t addr, len;
	_cleanup_buf_ struct buf bytes = { 0 };

	if (!parse_range(args, &addr, &len))
		return err_new(ERR_UNSUPPORTED, "a name that begins with M");
	if (!cur_char(args, ':') || cur_left(args) / 2 != len)
		return err_new(ERR_PROTO, "malformed M");
	uint8_t *at = buf_room(&bytes, len);
	if (!at)
		return &err_nomem;
	if (!cur_hexbytes(args, at, len) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed M");
	struct err *err = view_refuse_memory(s, addr, len);
	if (!err && len)
		err = view_write(s, addr, at, len);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_write_binary)
{
	struct session *s = session;
	uint64_t addr, len;

	if (!parse_range(args, &addr, &len) || !cur_char(args, ':') || cur_left(args) != len)
		return err_new(ERR_PROTO, "malformed X");
	struct err *err = view_refuse_memory(s, addr, len);
	if (!err && len)
		err = view_write(s, addr, args->p, len);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

struct search {
	struct session *session;
	uint64_t addr, len;
	const char *pattern; /* borrows the packet */
	size_t pattern_len;  /* 1.. */
	bool found;
	uint64_t found_at;
};

/*
 * The last bytes of a chunk stay in front of the next: a match may lie across.
 * @window has room for both.
 */
static struct err *search_chunks(struct search *q, uint8_t *window)
{
	size_t kept = 0, n = 0;

	for (uint64_t done = 0; done < q->len; done += n) {
		size_t want = q->len - done < CHUNK ? (size_t)(q->len - done) : CHUNK;
		n = see_some(q->session, q->addr + done, window + kept, want);
		const uint8_t *at = memmem(window, kept + n, q->pattern, q->pattern_len);
		if (at) {
			q->found = true;
			q->found_at = q->addr + done - kept + (uint64_t)(at - window);
			return NULL;
		}
		if (n < want)
			return see(q->session, q->addr + done + n, window, 1);
		size_t keep = kept + n < q->pattern_len ? kept + n : q->pattern_len - 1;
		memmove(window, window + kept + n - keep, keep);
		kept = keep;
	}
	return NULL;
}

HANDLER(h_search_memory)
{
	struct session *s = session;
	struct search q = { .session = s };

	if (!cur_char(args, ':') || !cur_hex(args, &q.addr) || !cur_char(args, ';') ||
	    !cur_hex(args, &q.len) || !cur_char(args, ';') || cur_end(args))
		return err_new(ERR_PROTO, "malformed qSearch:memory");
	q.pattern = args->p;
	q.pattern_len = cur_left(args);
	uint64_t whole = q.len = clamp_range(q.addr, q.len);
	if (q.len > SCAN_MAX)
		q.len = SCAN_MAX;
	uint8_t *window = malloc(CHUNK + q.pattern_len);
	struct err *err = window ? search_chunks(&q, window) : &err_nomem;
	free(window);
	if (err)
		return err;
	if (!q.found && q.len < whole)
		return err_new(ERR_STATE, "searched %llu bytes, to 0x%llx, and found none",
			       (unsigned long long)q.len, (unsigned long long)(q.addr + q.len));
	if (q.found)
		buf_printf(out, "1,%llx", (unsigned long long)q.found_at);
	else
		buf_puts(out, "0");
	return NULL;
}

static struct err *sum_range(struct session *s, uint64_t addr, uint64_t len, uint32_t *ret)
{
	struct crc32 crc;
	uint32_t sum = CRC32_START;
	uint8_t *chunk = malloc(CHUNK);
	struct err *err = chunk ? NULL : &err_nomem;

	crc32_init(&crc);
	while (len && !err) {
		size_t n = len < CHUNK ? (size_t)len : CHUNK;
		err = see(s, addr, chunk, n);
		if (!err)
			sum = crc32_add(&crc, sum, chunk, n);
		addr += n;
		len -= n;
	}
	free(chunk);
	*ret = sum;
	return err;
}

HANDLER(h_crc)
{
	struct session *s = session;
	uint64_t addr, len;
	uint32_t sum;

	if (!cur_char(args, ':') || !parse_range(args, &addr, &len) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qCRC");
	if (len > SCAN_MAX || clamp_range(addr, len) < len)
		return err_new(ERR_PROTO, "qCRC of %llu bytes", (unsigned long long)len);
	struct err *err = sum_range(s, addr, len, &sum);
	if (!err)
		buf_printf(out, "C%x", sum);
	return err;
}
