/* SPDX-License-Identifier: MIT */
#include "tests/mem/recorded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct recorded_range *find_range(const struct recorded *r, uint64_t addr)
{
	size_t lo = 0, hi = r->nranges;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (addr - r->range[mid].addr < r->range[mid].len && addr >= r->range[mid].addr)
			return &r->range[mid];
		if (addr < r->range[mid].addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static size_t read_range(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct recorded *r = ctx;
	size_t done = 0;
	while (done < len) {
		const struct recorded_range *range = find_range(r, addr + done);
		if (!range)
			break;
		size_t at = (size_t)(addr + done - range->addr);
		size_t n = range->len - at < len - done ? range->len - at : len - done;
		memcpy((uint8_t *)buf + done, range->data + at, n);
		done += n;
	}
	return done;
}

static const struct mem_ops recorded_ops = { .read = read_range };

uint8_t *recorded_at(const struct recorded *r, uint64_t addr, size_t len)
{
	const struct recorded_range *range = find_range(r, addr);
	if (!range || len > range->len - (size_t)(addr - range->addr))
		return NULL;
	return range->data + (addr - range->addr);
}

static bool add_bytes(struct recorded *r, const uint8_t *bytes, size_t len)
{
	if (!r->nranges || !len || len > 1u << 24)
		return false;
	struct recorded_range *range = &r->range[r->nranges - 1];
	if (range->len + len > range->cap) {
		size_t cap = (range->len + len) * 2;
		uint8_t *data = realloc(range->data, cap);
		if (!data)
			return false;
		range->data = data;
		range->cap = cap;
	}
	if (bytes)
		memcpy(range->data + range->len, bytes, len);
	else
		memset(range->data + range->len, 0, len);
	range->len += len;
	return true;
}

static bool add_range(struct recorded *r, uint64_t addr)
{
	const struct recorded_range *last = r->nranges ? &r->range[r->nranges - 1] : NULL;
	if (last && addr < last->addr + last->len)
		return false;
	struct recorded_range *range = reallocarray(r->range, r->nranges + 1, sizeof(*range));
	if (!range)
		return false;
	r->range = range;
	r->range[r->nranges++] = (struct recorded_range){ .addr = addr };
	return true;
}

static bool add_hex(struct recorded *r, const char *line)
{
	uint8_t bytes[64];
	size_t n = 0;
	unsigned int byte;
	int used;
	while (n < sizeof(bytes) && sscanf(line, "%2x%n", &byte, &used) == 1 && used == 2) {
		bytes[n++] = (uint8_t)byte;
		line += 2;
	}
	return !*line && n && add_bytes(r, bytes, n);
}

struct parser {
	struct recorded *r;
	char *maps; /* the map lines, as maps_parse() wants them */
	size_t maps_len;
};

static bool add_map(struct parser *p, const char *line)
{
	size_t len = strlen(line);
	char *maps = realloc(p->maps, p->maps_len + len + 1);
	if (!maps)
		return false;
	memcpy(maps + p->maps_len, line, len); /* NOLINT(bugprone-not-null-terminated-result) */
	maps[p->maps_len + len] = '\n';
	p->maps = maps;
	p->maps_len += len + 1;
	return true;
}

static bool add_thread(struct recorded *r, const char *line)
{
	struct space_thread t;
	int tid;
	if (r->space.nthreads == RECORDED_THREADS_MAX ||
	    sscanf(line, "%d %" SCNx64, &tid, &t.tp) != 2)
		return false;
	t.tid = tid;
	r->threads[r->space.nthreads++] = t;
	return true;
}

static bool dwarf_regs(void *ctx, pid_t tid, struct space_regs *ret)
{
	const struct recorded *r = ctx;
	for (size_t i = 0; i < r->space.nthreads; i++) {
		if (r->threads[i].tid != tid)
			continue;
		*ret = r->regs[i];
		return ret->known != 0;
	}
	return false;
}

static bool add_syscall(struct recorded *r, const char *line)
{
	struct recorded_call c;
	uint64_t *a = c.call.arg;
	int tid;
	if (r->ncalls == RECORDED_THREADS_MAX ||
	    sscanf(line,
		   "%d %" SCNd64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
		   " %" SCNx64,
		   &tid, &c.call.nr, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) != 8)
		return false;
	c.tid = tid;
	r->calls[r->ncalls++] = c;
	return true;
}

static bool thread_syscall(void *ctx, pid_t tid, struct space_syscall *ret)
{
	const struct recorded *r = ctx;
	for (size_t i = 0; i < r->ncalls; i++) {
		if (r->calls[i].tid != tid)
			continue;
		*ret = r->calls[i].call;
		return true;
	}
	return false;
}

/* Of the thread told of last. */
static bool add_regs(struct recorded *r, const char *line)
{
	struct space_regs *regs = &r->regs[r->space.nthreads - 1];
	int tid, used;
	if (!r->space.nthreads || sscanf(line, "%d%n", &tid, &used) != 1 ||
	    r->threads[r->space.nthreads - 1].tid != tid)
		return false;
	for (unsigned int i = 0; i < SPACE_REGS; i++) {
		line += used;
		if (sscanf(line, "%" SCNx64 "%n", &regs->value[i], &used) != 1)
			return false;
	}
	regs->known = (1u << SPACE_REGS) - 1;
	r->space.dwarf_regs = dwarf_regs;
	r->space.ctx = r;
	return true;
}

static bool parse_line(struct parser *p, const char *line)
{
	uint64_t v;
	if (!*line || *line == '#')
		return true;
	if (strncmp(line, "map ", 4) == 0)
		return add_map(p, line + 4);
	if (strncmp(line, "thread ", 7) == 0)
		return add_thread(p->r, line + 7);
	if (strncmp(line, "regs ", 5) == 0)
		return add_regs(p->r, line + 5);
	if (strncmp(line, "syscall ", 8) == 0)
		return add_syscall(p->r, line + 8);
	if (sscanf(line, "at %" SCNx64, &v) == 1)
		return add_range(p->r, v);
	if (sscanf(line, "zero %" SCNu64, &v) == 1)
		return add_bytes(p->r, NULL, v);
	return add_hex(p->r, line);
}

static bool parse_file(struct parser *p, FILE *f, const char *path)
{
	char line[4608];
	for (int n = 1; fgets(line, sizeof(line), f); n++) {
		line[strcspn(line, "\n")] = '\0';
		if (!parse_line(p, line)) {
			fprintf(stderr, "%s:%d: not understood: %.60s\n", path, n, line);
			return false;
		}
	}
	return true;
}

bool recorded_load(const char *path, struct recorded *ret)
{
	struct parser p = { .r = ret };
	memset(ret, 0, sizeof(*ret));
	FILE *f = fopen(path, "re");
	if (!f) {
		perror(path);
		return false;
	}
	bool ok = parse_file(&p, f, path);
	(void)fclose(f);
	if (ok) {
		struct err *err = maps_parse(p.maps, p.maps_len, &ret->maps);
		if (!err)
			err = mem_init(&ret->mem, &recorded_ops, ret, 8);
		ok = !err;
		err_drop(err);
		mem_deinit(&ret->mem); /* no page cache */
	}
	free(p.maps);
	if (!ok) {
		recorded_free(ret);
		return false;
	}
	ret->space.mem = &ret->mem;
	ret->space.maps = &ret->maps;
	ret->space.threads = ret->threads;
	ret->space.thread_syscall = thread_syscall;
	ret->space.ctx = ret;
	ret->space.epoch = 1;
	return true;
}

void recorded_free(struct recorded *r)
{
	for (size_t i = 0; i < r->nranges; i++)
		free(r->range[i].data);
	free(r->range);
	maps_deinit(&r->maps);
	mem_deinit(&r->mem);
	memset(r, 0, sizeof(*r));
}
