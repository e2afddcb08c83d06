/* SPDX-License-Identifier: MIT */
#include "arch/x86_siginfo.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define COMMON 12u /* si_signo, si_errno and si_code, the same in both */

struct field {
	uint8_t wide_at, wide_size, narrow_at, narrow_size;
	bool is_signed;
};

/* clang-format off */
static const struct field kill_fields[] = { { 16, 4, 12, 4, true }, { 20, 4, 16, 4, false }, { 0 } };
static const struct field timer_fields[] = {
	{ 16, 4, 12, 4, true }, { 20, 4, 16, 4, true }, { 24, 8, 20, 4, false }, { 0 } };
static const struct field queue_fields[] = {
	{ 16, 4, 12, 4, true }, { 20, 4, 16, 4, false }, { 24, 8, 20, 4, false }, { 0 } };
static const struct field child_fields[] = {
	{ 16, 4, 12, 4, true }, { 20, 4, 16, 4, false }, { 24, 4, 20, 4, true },
	{ 32, 8, 24, 4, true }, { 40, 8, 28, 4, true }, { 0 } };
/* Address, its least significant bit, and the bounds or, at the lower one, the key. */
static const struct field fault_fields[] = {
	{ 16, 8, 12, 4, false }, { 24, 2, 16, 2, true }, { 32, 8, 20, 4, false },
	{ 40, 8, 24, 4, false }, { 0 } };
static const struct field poll_fields[] = { { 16, 8, 12, 4, true }, { 24, 4, 16, 4, true }, { 0 } };
static const struct field call_fields[] = {
	{ 16, 8, 12, 4, false }, { 24, 4, 16, 4, true }, { 28, 4, 20, 4, false }, { 0 } };
/* clang-format on */

static const struct {
	int signo;
	const struct field *fields;
} by_signal[] = {
	{ SIGILL, fault_fields }, { SIGFPE, fault_fields },  { SIGSEGV, fault_fields },
	{ SIGBUS, fault_fields }, { SIGTRAP, fault_fields }, { SIGCHLD, child_fields },
	{ SIGPOLL, poll_fields }, { SIGSYS, call_fields },
};

/* Which member of the union it is: Linux kernel/signal.c, siginfo_layout(). */
static const struct field *fields_of(int signo, int code)
{
	if (code == SI_TIMER)
		return timer_fields;
	if (code == SI_SIGIO)
		return poll_fields;
	if (code < 0)
		return queue_fields;
	for (size_t i = 0; code > SI_USER && i < sizeof(by_signal) / sizeof(by_signal[0]); i++)
		if (by_signal[i].signo == signo)
			return by_signal[i].fields;
	return kill_fields;
}

static void move(const uint8_t *from, size_t from_size, uint8_t *to, size_t to_size, bool is_signed)
{
	bool negative = is_signed && (from[from_size - 1] & 0x80);

	memset(to, negative ? 0xff : 0, to_size);
	memcpy(to, from, from_size < to_size ? from_size : to_size);
}

static const struct field *head(const uint8_t *from, uint8_t *ret)
{
	int signo, code;

	memset(ret, 0, X86_SIGINFO_SIZE);
	memcpy(ret, from, COMMON);
	memcpy(&signo, from, sizeof(signo));
	memcpy(&code, from + 8, sizeof(code));
	return fields_of(signo, code);
}

void x86_siginfo_narrow(const uint8_t wide[X86_SIGINFO_SIZE], uint8_t ret[X86_SIGINFO_SIZE])
{
	for (const struct field *f = head(wide, ret); f->wide_size; f++)
		move(wide + f->wide_at, f->wide_size, ret + f->narrow_at, f->narrow_size,
		     f->is_signed);
}

void x86_siginfo_widen(const uint8_t narrow[X86_SIGINFO_SIZE], uint8_t ret[X86_SIGINFO_SIZE])
{
	for (const struct field *f = head(narrow, ret); f->wide_size; f++)
		move(narrow + f->narrow_at, f->narrow_size, ret + f->wide_at, f->wide_size,
		     f->is_signed);
}
