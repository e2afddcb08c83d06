/* SPDX-License-Identifier: MIT */
/*
 * Who called, by Windows' own unwinder?  For Windows, or Wine:
 *
 *	win64_check.exe IMAGE...
 *
 * in a folder with code.bin and rows.bin (tests/unwind/win64_dump.c).  Each image's function table is
 * registered for a copy of the code, and at each instruction RtlVirtualUnwind must find the return
 * address and rbp that the rows do.  Prints a line for each image: how many, of how many.
 */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unwind/win64_rows.h"

#define STACK_WORDS 0x20000
#define SECTIONS_AT (64 + 24 + 240)

static ULONG64 stack[STACK_WORDS];

static unsigned char *slurp(const char *name, size_t *len)
{
	FILE *f = fopen(name, "rb");
	unsigned char *bytes = NULL;
	if (f && !fseek(f, 0, SEEK_END)) {
		*len = (size_t)ftell(f);
		rewind(f);
		bytes = malloc(*len + 1);
	}
	if (!bytes || fread(bytes, 1, *len, f) != *len) {
		printf("%s cannot be read\n", name);
		exit(1);
	}
	fclose(f);
	return bytes;
}

static DWORD u32_at(const unsigned char *p)
{
	DWORD v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* By DWARF's number. */
static ULONG64 *register_of(CONTEXT *c, unsigned int reg)
{
	ULONG64 *const by_number[] = { &c->Rax, &c->Rdx, &c->Rcx, &c->Rbx, &c->Rsi, &c->Rdi,
				       &c->Rbp, &c->Rsp, &c->R8,  &c->R9,  &c->R10, &c->R11,
				       &c->R12, &c->R13, &c->R14, &c->R15 };
	return by_number[reg & 15];
}

/* Where a loader would have put the image; its function table. */
static unsigned char *load(const unsigned char *image, const unsigned char *code, size_t code_len,
			   DWORD rva)
{
	DWORD size = u32_at(image + 64 + 24 + 56);
	const unsigned char *xdata = image + SECTIONS_AT + 40, *pdata = xdata + 40;
	unsigned char *base =
		VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	if (!base)
		exit(1);
	memcpy(base + rva, code, code_len);
	memcpy(base + u32_at(xdata + 12), image + u32_at(xdata + 20), u32_at(xdata + 8));
	memcpy(base + u32_at(pdata + 12), image + u32_at(pdata + 20), u32_at(pdata + 8));
	if (!RtlAddFunctionTable((void *)(base + u32_at(pdata + 12)), u32_at(pdata + 8) / 12,
				 (DWORD64)base))
		exit(1);
	return base;
}

static void fill(CONTEXT *c, const struct win64_row *r, const unsigned char *pc)
{
	memset(c, 0, sizeof(*c));
	for (unsigned int i = 0; i < 16; i++)
		*register_of(c, i) = 0x700000000000ull + i * 0x10000ull;
	if (r->cfa_reg != 6 && r->cfa_reg != 7)
		*register_of(c, r->cfa_reg) = (ULONG64)&stack[STACK_WORDS / 2 + 500];
	c->Rsp = (ULONG64)&stack[STACK_WORDS / 2];
	c->Rbp = (ULONG64)&stack[STACK_WORDS / 2 + 1000];
	c->Rip = (ULONG64)pc;
}

/* 1: as the row says; 0: otherwise; -1: the table has nothing. */
static int check(unsigned char *base, DWORD rva, const struct win64_row *r)
{
	CONTEXT c;
	DWORD64 image;
	PVOID handler;
	ULONG64 frame;
	fill(&c, r, base + rva + r->at);
	const unsigned char *cfa =
		(const unsigned char *)(*register_of(&c, r->cfa_reg) + (LONG64)r->cfa_off);
	ULONG64 ra, rbp = c.Rbp;
	if (r->pops_rbp)
		c.Rsp = (ULONG64)cfa + (LONG64)r->rbp;
	memcpy(&ra, cfa - 8, 8);
	if (r->rbp)
		memcpy(&rbp, cfa + r->rbp, 8);
	PRUNTIME_FUNCTION f = RtlLookupFunctionEntry(c.Rip, &image, NULL);
	if (!f)
		return -1;
	RtlVirtualUnwind(UNW_FLAG_NHANDLER, image, c.Rip, f, &c, &handler, &frame, NULL);
	return c.Rip == ra && c.Rbp == rbp;
}

static void run(const char *name, const unsigned char *code, size_t code_len,
		const unsigned char *rows)
{
	struct win64_head head;
	size_t len;
	unsigned char *image = slurp(name, &len);
	long asked = 0, right = 0, unsayable = 0, none = 0;
	memcpy(&head, rows, sizeof(head));
	unsigned char *base = load(image, code, code_len, head.rva);
	for (DWORD i = 0; i < head.rows; i++) {
		struct win64_row r;
		memcpy(&r, rows + sizeof(head) + i * sizeof(r), sizeof(r));
		if (!r.sayable) {
			unsayable++;
			continue;
		}
		int answer = check(base, head.rva, &r);
		asked++;
		right += answer == 1;
		none += answer < 0;
	}
	printf("%s %ld %ld %ld %ld\n", name, right, asked, unsayable, none);
	free(image);
}

int main(int argc, char **argv)
{
	size_t code_len, rows_len;
	unsigned char *code = slurp("code.bin", &code_len), *rows = slurp("rows.bin", &rows_len);
	for (size_t i = 0; i < STACK_WORDS; i++)
		stack[i] = 0x500000000000ull + i * 8;
	for (int i = 1; i < argc; i++)
		run(argv[i], code, code_len, rows);
	return 0;
}
