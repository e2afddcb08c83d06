/* SPDX-License-Identifier: MIT */
/*
 * Whether a thread's seccomp filters would kill it for a system call that it did not think
 * of itself: then we don't make it.  The kernel gives filters to whoever has CAP_SYS_ADMIN
 * (ptrace(2), PTRACE_SECCOMP_GET_FILTER); without that they can't be known.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>

#include "stub/target/live_priv.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

#define FILTERS_MAX 256 /* of one thread */
#define MODE_STRICT 1
#define MODE_FILTER 2

/* A filter as it runs: Documentation/networking/filter.rst in the kernel, as seccomp allows it. */
struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
	const struct seccomp_data *data;
};

static uint32_t load(const struct machine *m, uint32_t at)
{
	uint32_t v = 0;
	if (at <= sizeof(*m->data) - sizeof(v))
		memcpy(&v, (const char *)m->data + at, sizeof(v));
	return v;
}

static void calculate(struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		m->a += v;
		break;
	case BPF_SUB:
		m->a -= v;
		break;
	case BPF_MUL:
		m->a *= v;
		break;
	case BPF_DIV:
		m->a = v ? m->a / v : 0;
		break;
	case BPF_OR:
		m->a |= v;
		break;
	case BPF_AND:
		m->a &= v;
		break;
	case BPF_LSH:
		m->a = v < 32 ? m->a << v : 0;
		break;
	case BPF_RSH:
		m->a = v < 32 ? m->a >> v : 0;
		break;
	case BPF_XOR:
		m->a ^= v;
		break;
	default:
		m->a = -m->a;
	}
}

/* How far to jump. */
static uint32_t jump(const struct machine *m, const struct sock_filter *f)
{
	uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JA:
		return f->k;
	case BPF_JEQ:
		return m->a == v ? f->jt : f->jf;
	case BPF_JGT:
		return m->a > v ? f->jt : f->jf;
	case BPF_JGE:
		return m->a >= v ? f->jt : f->jf;
	default:
		return m->a & v ? f->jt : f->jf;
	}
}

static uint32_t load_any(const struct machine *m, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		return load(m, f->k);
	case BPF_MEM:
		return m->mem[f->k % BPF_MEMWORDS];
	case BPF_LEN:
		return sizeof(*m->data);
	default:
		return f->k;
	}
}

static uint32_t run(const struct sock_filter *f, size_t n, const struct seccomp_data *data)
{
	struct machine m = { .data = data };

	for (size_t i = 0; i < n; i++) {
		switch (BPF_CLASS(f[i].code)) {
		case BPF_LD:
			m.a = load_any(&m, &f[i]);
			break;
		case BPF_LDX:
			m.x = load_any(&m, &f[i]);
			break;
		case BPF_ST:
			m.mem[f[i].k % BPF_MEMWORDS] = m.a;
			break;
		case BPF_STX:
			m.mem[f[i].k % BPF_MEMWORDS] = m.x;
			break;
		case BPF_ALU:
			calculate(&m, &f[i]);
			break;
		case BPF_JMP:
			i += jump(&m, &f[i]);
			break;
		case BPF_RET:
			return BPF_RVAL(f[i].code) == BPF_A ? m.a : f[i].k;
		default:
			if (BPF_MISCOP(f[i].code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
		}
	}
	return SECCOMP_RET_KILL_PROCESS; /* no filter ends so */
}

/* Of all filters the strictest counts: actions are signed numbers, the least is first. */
static uint32_t strictest(pid_t tid, const struct seccomp_data *data)
{
	struct sock_filter filter[BPF_MAXINSNS];
	uint32_t ret = SECCOMP_RET_ALLOW;

	for (long i = 0; i < FILTERS_MAX; i++) {
		long n = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, i, NULL);
		if (n <= 0 || n > BPF_MAXINSNS ||
		    ptrace(PTRACE_SECCOMP_GET_FILTER, tid, i, filter) != n)
			break;
		uint32_t action = run(filter, (size_t)n, data) & SECCOMP_RET_ACTION_FULL;
		if ((int32_t)action < (int32_t)ret)
			ret = action;
	}
	return ret;
}

struct err *live_check_seccomp(pid_t tid, const struct space_syscall *call, uint64_t insn)
{
	struct seccomp_data data = { .nr = (int)call->nr,
				     .arch = AUDIT_ARCH_X86_64,
				     .instruction_pointer = insn };
	long mode = proc_status_field(tid, "Seccomp");

	if (mode != MODE_STRICT && mode != MODE_FILTER)
		return NULL;
	memcpy(data.args, call->arg, sizeof(data.args));
	uint32_t action = mode == MODE_FILTER ? strictest(tid, &data) : SECCOMP_RET_KILL_PROCESS;
	if (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_LOG)
		return NULL;
	return err_new(ERR_STATE,
		       "a seccomp filter would end the process for system call %lld: not made",
		       (long long)call->nr);
}
