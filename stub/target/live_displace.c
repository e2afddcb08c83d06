/* SPDX-License-Identifier: MIT */
/*
 * Displaced steps: an instruction under a trap is executed elsewhere, so that the trap can
 * stay and the other threads run on.
 *
 * Elsewhere is behind the end of the program's own code, in what is left of the last page of
 * its segment: the loader maps it, executable, and no address of the program leads there.
 * It is in the same module, so that what the instruction reaches from where it is can be
 * reached from there, too.  What has no such room, such as code made at run time, or does more
 * than that is left to a hop (live_hits.c).
 */
#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arch/x86_emulate.h"
#include "arch/x86_length.h"
#include "stub/target/live_priv.h"

#define PAGE	    0x1000ull
#define SLOT_SIZE   32u /* an instruction, and a jump back */
#define SLOTS	    32u
#define REGIONS	    16u
#define HEADERS_MAX 32u
#define EFLAGS_TF   0x100u

#define GET_RSEQ_CONFIGURATION 0x420f /* <linux/ptrace.h> since 5.13 */

struct headers {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[HEADERS_MAX];
};

/* The room of one module. */
struct region {
	uint64_t base;	     /* of its headers */
	uint64_t start, end; /* of the code that it is for */
	uint64_t slots;	     /* where it is; 0: there is none */
	unsigned int nslots;
	uint32_t used; /* a bit for each slot */
	uint8_t saved[SLOTS * SLOT_SIZE];
	Elf64_Ehdr ehdr; /* of the module that was there then */
};

struct live_displaced {
	struct region region[REGIONS];
	size_t n;
};

/* ---- where there is room ---- */

static bool read_all(const struct live *l, uint64_t addr, void *buf, size_t len)
{
	return pread(l->mem_fd, buf, len, (off_t)addr) == (ssize_t)len;
}

static bool read_headers(const struct live *l, uint64_t base, struct headers *ret)
{
	const Elf64_Ehdr *e = &ret->ehdr;

	memset(ret, 0, sizeof(*ret));
	if (!read_all(l, base, &ret->ehdr, sizeof(ret->ehdr)) ||
	    memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_machine != EM_X86_64 ||
	    e->e_phentsize != sizeof(ret->phdr[0]) || e->e_phnum > HEADERS_MAX)
		return false;
	return read_all(l, base + e->e_phoff, ret->phdr, e->e_phnum * sizeof(ret->phdr[0]));
}

/* The segment of code that @pc is in. */
static const Elf64_Phdr *find_segment(const struct headers *h, uint64_t base, uint64_t pc)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < h->ehdr.e_phnum; i++)
		if (h->phdr[i].p_type == PT_LOAD && h->phdr[i].p_vaddr < first)
			first = h->phdr[i].p_vaddr;
	/* Where addresses are fixed, so is the base. */
	uint64_t bias = base - (first & ~(PAGE - 1));
	for (size_t i = 0; i < h->ehdr.e_phnum; i++) {
		const Elf64_Phdr *p = &h->phdr[i];
		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && !(p->p_flags & PF_W) &&
		    p->p_memsz == p->p_filesz && pc - (bias + p->p_vaddr) < p->p_memsz)
			return p;
	}
	return NULL;
}

/* The room behind @segment, of which @map is what is mapped. */
static void find_room(const struct live *l, const struct map *map, const Elf64_Phdr *segment,
		      struct region *ret)
{
	/* Both are of the page that the segment begins in. */
	uint64_t end = map->start + (segment->p_vaddr & (PAGE - 1)) + segment->p_memsz;
	uint64_t slots = (end + SLOT_SIZE - 1) & ~(uint64_t)(SLOT_SIZE - 1);

	ret->start = map->start;
	ret->end = end;
	uint64_t room = slots >= end && slots < map->end ? map->end - slots : 0;
	ret->nslots = room > sizeof(ret->saved) ? SLOTS : (unsigned int)(room / SLOT_SIZE);
	if (ret->nslots && read_all(l, slots, ret->saved, (size_t)ret->nslots * SLOT_SIZE))
		ret->slots = slots;
}

/* Of the same file, from its beginning. */
static const struct map *find_first(const struct maps *maps, const struct map *code)
{
	for (size_t i = 0; i < maps->n; i++) {
		const struct map *m = &maps->map[i];
		if (m->inode == code->inode && m->dev == code->dev && m->offset == 0 &&
		    m->start <= code->start)
			return m;
	}
	return NULL;
}

static void describe(const struct live *l, const struct maps *maps, uint64_t pc, struct region *ret)
{
	const struct map *code = maps_find(maps, pc);
	const struct map *first = code && code->inode ? find_first(maps, code) : NULL;
	struct headers h;

	ret->start = pc;
	ret->end = pc + 1;
	if (!first || !read_headers(l, first->start, &h))
		return;
	ret->base = first->start;
	ret->ehdr = h.ehdr;
	const Elf64_Phdr *segment = find_segment(&h, ret->base, pc);
	/* Mapped in one piece, by nobody who had other things in mind. */
	if (segment && (segment->p_offset & ~(PAGE - 1)) == code->offset)
		find_room(l, code, segment, ret);
}

static size_t room_size(const struct region *r)
{
	return r->slots ? (size_t)r->nslots * SLOT_SIZE : 0;
}

/* What was there may have been unloaded, and something else loaded. */
static bool is_still_there(const struct live *l, const struct region *r)
{
	Elf64_Ehdr now;
	return !r->slots || (read_all(l, r->base, &now, sizeof(now)) &&
			     memcmp(&now, &r->ehdr, sizeof(now)) == 0);
}

static struct region *find_region(struct live *l, uint64_t pc)
{
	struct live_displaced *d = l->displaced;

	for (size_t i = 0; d && i < d->n; i++) {
		struct region *r = &d->region[i];
		if (pc < r->start || pc >= r->end)
			continue;
		return is_still_there(l, r) ? r : NULL;
	}
	if (!d)
		d = l->displaced = calloc(1, sizeof(*d));
	if (!d || d->n == REGIONS)
		return NULL;
	struct maps maps = { 0 };
	struct err *err = proc_maps(&l->target, &maps);
	if (!err)
		describe(l, &maps, pc, &d->region[d->n++]);
	err_drop(err); /* then there is no room */
	maps_deinit(&maps);
	return d->n ? &d->region[d->n - 1] : NULL;
}

/* ---- hiding it ---- */

void live_hide_displaced(const struct live *l, uint64_t addr, void *buf, size_t len)
{
	const struct live_displaced *d = l->displaced;

	for (size_t i = 0; d && i < d->n; i++) {
		const struct region *r = &d->region[i];
		uint64_t from = addr > r->slots ? addr : r->slots;
		uint64_t to = r->slots + room_size(r);
		if (addr + len < to)
			to = addr + len;
		if (r->slots && from < to)
			memcpy((uint8_t *)buf + (from - addr), r->saved + (from - r->slots),
			       to - from);
	}
}

void live_clean_displaced(const struct live *l, int fd)
{
	const struct live_displaced *d = l->displaced;

	for (size_t i = 0; d && i < d->n; i++)
		if (d->region[i].slots && is_still_there(l, &d->region[i]))
			(void)!pwrite(fd, d->region[i].saved, room_size(&d->region[i]),
				      (off_t)d->region[i].slots);
}

void live_forget_displaced(struct live *l)
{
	free(l->displaced);
	l->displaced = NULL;
	for (struct lwp *p = l->first; p; p = p->next)
		p->slot = 0;
}

/* ---- a step ---- */

/*
 * A restartable sequence (rseq(2)) is begun again when its thread is stopped in it.  The
 * kernel sees that by the pc, which must not be elsewhere then.
 */
static bool is_restartable(const struct live *l, const struct lwp *p)
{
	struct {
		uint64_t pointer;
		uint32_t size, signature, flags, pad;
	} rseq = { 0 };
	uint64_t section = 0;

	if (ptrace(GET_RSEQ_CONFIGURATION, p->tid, (void *)sizeof(rseq), &rseq) < 0)
		return true; /* it may be */
	return rseq.pointer &&
	       (!read_all(l, rseq.pointer + 8, &section, sizeof(section)) || section);
}

#define NT_X86_SHSTK_SET 0x204 /* <linux/elf.h> since 6.6 */

static bool has_shadow_stack(const struct lwp *p)
{
	uint64_t pointer;
	struct iovec iov = { &pointer, sizeof(pointer) };
	return ptrace(PTRACE_GETREGSET, p->tid, (void *)NT_X86_SHSTK_SET, &iov) == 0;
}

/* For whom nobody brings back: the stub was killed in the middle of the step. */
static void put_jump(uint8_t *code, uint64_t to)
{
	static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 }; /* jmp *0(%rip) */

	memcpy(code, jump, sizeof(jump));
	memcpy(code + sizeof(jump), &to, sizeof(to));
}

/* A slot with the instruction at @pc; 0: it can't be. */
static uint64_t fill_slot(struct live *l, struct lwp *p, uint64_t pc)
{
	uint8_t code[X86_INSN_MAX] = { 0 }, copy[SLOT_SIZE] = { 0 };
	struct x86_insn insn;

	size_t n = live_read_code(l, pc, code, sizeof(code));
	if (!x86_measure(code, n, &insn))
		return 0;
	enum x86_elsewhere kind = x86_elsewhere(&insn, code);
	if (kind == X86_FIXED || (kind == X86_CALLS && has_shadow_stack(p)))
		return 0;
	struct region *r = find_region(l, pc);
	if (!r || !r->slots)
		return 0;
	if (r->used == UINT32_MAX)
		return 0;
	unsigned int k = (unsigned int)__builtin_ctz(~r->used);
	if (k >= r->nslots)
		return 0;
	uint64_t at = r->slots + (uint64_t)k * SLOT_SIZE;
	if (!x86_copy(&insn, code, pc, at, copy))
		return 0;
	put_jump(copy + insn.len, pc + insn.len);
	if (pwrite(l->mem_fd, copy, sizeof(copy), (off_t)at) != sizeof(copy))
		return 0;
	r->used |= 1u << k;
	p->slot_len = insn.len;
	p->slot_calls = kind == X86_CALLS;
	return at;
}

/* Else there is nobody for whose sake the trap has to stay. */
static bool others_run(const struct live *l, const struct lwp *but)
{
	for (const struct lwp *p = l->first; p; p = p->next)
		if (p != but && p->resumed && !p->zombie)
			return true;
	return false;
}

bool live_displace(struct live *l, struct lwp *p)
{
	struct user_regs_struct r;
	bool stepping = p->stepping;

	if (!others_run(l, p))
		return false;
	/* A handler would return to the slot. */
	if (l->lifted || l->borrows_memory || p->deliver ||
	    ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0 || r.cs != LIVE_USER_CS64 ||
	    (r.eflags & EFLAGS_TF) || r.rip != p->event_pc || is_restartable(l, p))
		return false;
	uint64_t slot = fill_slot(l, p, r.rip);
	if (!slot)
		return false;
	p->slot = slot;
	if (!live_set_pc(p, slot)) {
		live_free_slot(l, p);
		return false;
	}
	p->hop = false;
	p->stepping = true;
	live_continue_lwp(l, p, 0);
	p->stepping = stepping;
	p->hopping = true;
	return true;
}

void live_free_slot(struct live *l, struct lwp *p)
{
	struct live_displaced *d = l->displaced;

	for (size_t i = 0; d && p->slot && i < d->n; i++) {
		struct region *r = &d->region[i];
		if (p->slot - r->slots < room_size(r))
			r->used &= ~(1u << (p->slot - r->slots) / SLOT_SIZE);
	}
	p->slot = 0;
}

/* Which the signals of instructions have, but those of memory. */
static void correct_siginfo(const struct lwp *p)
{
	siginfo_t info;

	if (ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) != 0 || info.si_code <= 0 ||
	    (uint64_t)(uintptr_t)info.si_addr != p->slot ||
	    (info.si_signo != SIGILL && info.si_signo != SIGFPE))
		return;
	info.si_addr = (void *)(uintptr_t)p->event_pc;
	(void)ptrace(PTRACE_SETSIGINFO, p->tid, NULL, &info);
}

static void correct_return(const struct live *l, const struct lwp *p, uint64_t sp)
{
	uint64_t to;

	if (read_all(l, sp, &to, sizeof(to)) && to == p->slot + p->slot_len) {
		to = p->event_pc + p->slot_len;
		(void)!pwrite(l->mem_fd, &to, sizeof(to), (off_t)sp);
	}
}

void live_replace(struct live *l, struct lwp *p)
{
	struct user_regs_struct r;

	if (!p->slot)
		return;
	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) == 0) {
		if (r.rip == p->slot) { /* it did nothing yet */
			(void)live_set_pc(p, p->event_pc);
			correct_siginfo(p);
			p->hop = true;
		} else if (r.rip == p->slot + p->slot_len) {
			(void)live_set_pc(p, p->event_pc + p->slot_len);
		} else if (p->slot_calls) {
			correct_return(l, p, r.rsp);
		}
	}
	live_free_slot(l, p);
}
