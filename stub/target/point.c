/* SPDX-License-Identifier: MIT */
#include "stub/target/point.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool points_share(struct points *ps)
{
	const size_t len = POINTS_SHARED_MAX * sizeof(*ps->point);
	struct point *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return false;
	free(ps->point);
	ps->point = p;
	ps->cap = POINTS_SHARED_MAX;
	ps->shared = true;
	return true;
}

void points_deinit(struct points *ps)
{
	if (ps->shared)
		munmap(ps->point, ps->cap * sizeof(*ps->point));
	else
		free(ps->point);
	ps->point = NULL;
	ps->n = ps->cap = 0;
	ps->shared = false;
}

void points_clear(struct points *ps)
{
	if (ps->n)
		memset(ps->point, 0, ps->n * sizeof(*ps->point));
	ps->n = 0;
}

/* The index of the first point at or above @addr. */
static size_t lower_bound(const struct points *ps, uint64_t addr)
{
	size_t lo = 0, hi = ps->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (ps->point[mid].addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct point *points_find(const struct points *ps, uint64_t addr)
{
	size_t i = lower_bound(ps, addr);
	return i < ps->n && ps->point[i].addr == addr ? &ps->point[i] : NULL;
}

struct err *points_add(struct points *ps, uint64_t addr, const uint8_t *saved, struct point **ret)
{
	/* One is always free: see points_share(). */
	if (ps->shared && ps->n + 1 >= ps->cap)
		return err_new(ERR_STATE, "more than %u places are changed", POINTS_SHARED_MAX);
	if (ps->n == ps->cap) {
		size_t cap = ps->cap ? ps->cap * 2 : 16;
		struct point *p = reallocarray(ps->point, cap, sizeof(*p));
		if (!p)
			return &err_nomem;
		ps->point = p;
		ps->cap = cap;
	}
	size_t i = lower_bound(ps, addr);
	memmove(&ps->point[i + 1], &ps->point[i], (ps->n - i) * sizeof(ps->point[0]));
	ps->point[i] = (struct point){ .addr = addr };
	memcpy(ps->point[i].saved, saved, ps->len);
	memcpy(ps->point[i].trap, ps->insn, ps->len);
	*ret = &ps->point[i];
	ps->n++;
	return NULL;
}

void points_drop(struct points *ps, uint64_t addr)
{
	size_t i = lower_bound(ps, addr);
	if (i == ps->n || ps->point[i].addr != addr)
		return;
	ps->n--;
	memmove(&ps->point[i], &ps->point[i + 1], (ps->n - i) * sizeof(ps->point[0]));
	memset(&ps->point[ps->n], 0, sizeof(ps->point[0]));
}

/* The first point whose trap may reach into memory that starts at @addr. */
static size_t first_reaching(const struct points *ps, uint64_t addr)
{
	return lower_bound(ps, addr < ps->len ? 0 : addr - ps->len + 1);
}

bool points_overlap(const struct points *ps, uint64_t addr, size_t len)
{
	size_t i = first_reaching(ps, addr);
	return i < ps->n && (ps->point[i].addr < addr || ps->point[i].addr - addr < len);
}

/* Calls for every byte of every trap within [addr, addr + len). */
static void visit(const struct points *ps, uint64_t addr, size_t len,
		  void (*byte)(struct point *p, size_t k, uint8_t *at), uint8_t *buf)
{
	for (size_t i = first_reaching(ps, addr); i < ps->n; i++) {
		struct point *p = &ps->point[i];
		if (p->addr > addr && p->addr - addr >= len)
			break;
		for (size_t k = 0; k < ps->len; k++)
			if (p->addr + k - addr < len)
				byte(p, k, buf + (p->addr + k - addr));
	}
}

static void hide_byte(struct point *p, size_t k, uint8_t *at)
{
	/* Something else is there: the memory was mapped anew, and no trap is in it. */
	if (*at == p->trap[k] || p->scratch)
		*at = p->saved[k];
}

static void merge_byte(struct point *p, size_t k, uint8_t *at)
{
	p->saved[k] = *at;
	*at = p->trap[k];
}

void points_hide(const struct points *ps, uint64_t addr, void *buf, size_t len)
{
	visit(ps, addr, len, hide_byte, buf);
}

void points_merge(struct points *ps, uint64_t addr, void *buf, size_t len)
{
	visit(ps, addr, len, merge_byte, buf);
}
