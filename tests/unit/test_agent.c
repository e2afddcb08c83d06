/* SPDX-License-Identifier: MIT */
/* Every bytecode by itself, then what the wire may bring. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "stub/agent/agent.h"

/* Memory: 16 bytes at 0x1000, a text at 0x2000.  Registers: 0 to 9, ten times their number. */
static const uint8_t memory[16] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
				    0xff, 0xff, 0xff, 0xff, 0,	  0,	0,    0 };
static const char text[] = "a text";

struct world {
	uint64_t var[4];
	char traced[200], printed[8192];
	bool tracing;
};

static struct err *reg(void *ctx, uint16_t n, uint64_t *ret)
{
	(void)ctx;
	if (n > 9)
		return err_new(ERR_NOT_FOUND, "no register %u", n);
	*ret = n * 10u;
	return NULL;
}

static struct err *read_bytes(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	if (addr >= 0x1000 && addr + len <= 0x1000 + sizeof(memory))
		memcpy(buf, memory + (addr - 0x1000), len);
	else if (addr >= 0x2000 && addr + len <= 0x2000 + sizeof(text))
		memcpy(buf, text + (addr - 0x2000), len);
	else
		return err_new(ERR_FAULT, "no memory at 0x%lx", addr);
	return NULL;
}

static struct err *var_get(void *ctx, uint16_t n, uint64_t *ret)
{
	const struct world *w = ctx;
	if (n > 3)
		return err_new(ERR_NOT_FOUND, "no variable %u", n);
	*ret = w->var[n];
	return NULL;
}

static struct err *var_set(void *ctx, uint16_t n, uint64_t value)
{
	struct world *w = ctx;
	if (n > 3)
		return err_new(ERR_NOT_FOUND, "no variable %u", n);
	w->var[n] = value;
	return NULL;
}

static struct err *trace(void *ctx, uint64_t addr, uint64_t len)
{
	struct world *w = ctx;
	size_t at = strlen(w->traced);
	snprintf(w->traced + at, sizeof(w->traced) - at, "%lx,%lx;", addr, len);
	return NULL;
}

static struct err *trace_var(void *ctx, uint16_t n)
{
	return trace(ctx, 0xa, n);
}

static void print(void *ctx, const char *data, size_t len)
{
	struct world *w = ctx;
	cr_assert_lt(len, sizeof(w->printed));
	memcpy(w->printed, data, len);
	w->printed[len] = '\0';
}

static const struct agent_ops full = { reg, read_bytes, var_get, var_set, trace, trace_var, print };
static const struct agent_ops least = { .reg = reg, .read = read_bytes };

/* "c:3 c:4 02 27": words are bytes in hex, or c:N, a const64 of N. */
static size_t assemble(const char *source, uint8_t *ret)
{
	size_t n = 0;
	while (*source) {
		char *end;
		if (strncmp(source, "c:", 2) == 0) {
			uint64_t v = strtoull(source + 2, &end, 0);
			ret[n++] = AGENT_CONST64;
			for (int shift = 56; shift >= 0; shift -= 8)
				ret[n++] = (uint8_t)(v >> shift);
		} else {
			ret[n++] = (uint8_t)strtoul(source, &end, 16);
		}
		source = end + strspn(end, " ");
	}
	return n;
}

static struct err *run_with(const char *source, const struct agent_ops *ops, struct world *w,
			    uint64_t *ret)
{
	uint8_t bytes[512];
	struct agent_code *code = NULL;
	struct err *err = agent_compile(bytes, assemble(source, bytes), &code);
	if (err)
		return err;
	err = agent_run(code, ops, w, ret);
	agent_free(code);
	return err;
}

static uint64_t run(const char *source)
{
	struct world w = { .var = { 7, 8, 9 } };
	uint64_t value = 0;
	struct err *err = run_with(source, &full, &w, &value);
	cr_assert_null(err, "%s: %s", source, err->msg);
	return value;
}

#define assert_value(source, want) \
	cr_assert_eq(run(source), (uint64_t)(want), "%s: %ld", (source), (long)run(source))

/* That running or compiling it is refused, with these words. */
static void assert_refused(const char *source, const char *words)
{
	struct world w = { 0 };
	uint64_t value;
	struct err *err = run_with(source, &full, &w, &value);
	cr_assert_not_null(err, "%s is accepted", source);
	cr_assert_not_null(strstr(err->msg, words), "%s: %s", source, err->msg);
	err_drop(err);
}

Test(agent, arithmetic_wraps_as_the_processors)
{
	assert_value("c:3 c:4 02 27", 7);
	assert_value("c:0xffffffffffffffff c:2 02 27", 1);
	assert_value("c:3 c:4 03 27", -1);
	assert_value("c:0x100000001 c:0x100000000 04 27", 0x100000000);
	assert_value("c:-3 c:5 04 27", -15);
}

Test(agent, division_knows_signs_and_refuses_zero)
{
	assert_value("c:-7 c:2 05 27", -3);
	assert_value("c:-7 c:2 07 27", -1);
	assert_value("c:-7 c:2 06 27", 0x7ffffffffffffffcull);
	assert_value("c:-7 c:4 08 27", 1);
	assert_value("c:0x8000000000000000 c:-1 05 27", 0x8000000000000000ull);
	assert_value("c:0x8000000000000000 c:-1 07 27", 0);
	for (int op = AGENT_DIV_SIGNED; op <= AGENT_REM_UNSIGNED; op++) {
		char source[40];
		snprintf(source, sizeof(source), "c:1 c:0 %02x 27", op);
		assert_refused(source, "division by zero");
	}
}

Test(agent, shifts_lose_what_they_push_out)
{
	assert_value("c:1 c:4 09 27", 16);
	assert_value("c:1 c:63 09 27", 1ull << 63);
	assert_value("c:1 c:64 09 27", 0);
	assert_value("c:-16 c:2 0a 27", -4);
	assert_value("c:-16 c:64 0a 27", -1);
	assert_value("c:16 c:-1 0a 27", 0);
	assert_value("c:-1 c:63 0b 27", 1);
	assert_value("c:-1 c:1000 0b 27", 0);
}

Test(agent, logic_and_comparisons)
{
	assert_value("c:0 0e 27", 1);
	assert_value("c:0x100000000 0e 27", 0);
	assert_value("c:12 c:10 0f 27", 8);
	assert_value("c:12 c:10 10 27", 14);
	assert_value("c:12 c:10 11 27", 6);
	assert_value("c:0 12 27", -1);
	assert_value("c:5 c:5 13 27", 1);
	assert_value("c:5 c:0x100000005 13 27", 0);
	assert_value("c:-1 c:1 14 27", 1);
	assert_value("c:1 c:1 14 27", 0);
	assert_value("c:-1 c:1 15 27", 0);
	assert_value("c:1 c:-1 15 27", 1);
}

Test(agent, extensions_keep_the_low_bits)
{
	assert_value("c:0x1ff 16 08 27", -1);
	assert_value("c:0x17f 16 08 27", 0x7f);
	assert_value("c:1 16 01 27", -1);
	assert_value("c:0x8000000000000000 16 40 27", 0x8000000000000000ull);
	assert_value("c:5 16 ff 27", 5);
	assert_value("c:0x1ff 2a 08 27", 0xff);
	assert_value("c:0x3 2a 01 27", 1);
	assert_value("c:-1 2a 3f 27", 0x7fffffffffffffffull);
	assert_value("c:-1 2a 40 27", -1);
	assert_refused("c:1 16 00 27", "0 bits");
	assert_refused("c:1 2a 00 27", "0 bits");
}

Test(agent, references_read_as_much_as_they_say)
{
	assert_value("c:0x1000 17 27", 0x88);
	assert_value("c:0x1000 18 27", 0x7788);
	assert_value("c:0x1000 19 27", 0x55667788);
	assert_value("c:0x1000 1a 27", 0x1122334455667788ull);
	assert_value("c:0x1008 19 16 20 27", -1);
	assert_refused("c:0x100f 18 27", "no memory at 0x100f");
	assert_refused("c:0 17 27", "no memory");
}

Test(agent, constants_are_big_endian_and_unsigned)
{
	assert_value("22 ff 27", 0xff);
	assert_value("23 ff fe 27", 0xfffe);
	assert_value("24 ff fe fd fc 27", 0xfffefdfc);
	assert_value("25 ff fe fd fc fb fa f9 f8 27", 0xfffefdfcfbfaf9f8ull);
}

Test(agent, registers_have_the_clients_numbers)
{
	assert_value("26 00 07 27", 70);
	assert_refused("26 01 00 27", "no register 256");
}

Test(agent, the_stack_is_rearranged)
{
	assert_value("c:5 28 02 27", 10);
	assert_value("c:5 c:6 29 27", 5);
	assert_value("c:5 c:6 2b 03 27", 1);
	assert_value("c:5 c:6 c:7 32 02 27", 5);
	assert_value("c:5 c:6 c:7 32 00 27", 7);
	/* a b c becomes c a b */
	assert_value("c:1 c:2 c:3 33 27", 2);
	assert_value("c:1 c:2 c:3 33 29 27", 1);
	assert_value("c:1 c:2 c:3 33 29 29 27", 3);
	assert_value("27", 0);
}

Test(agent, jumps_go_where_they_say)
{
	assert_value("21 00 05 22 01 22 02 27", 2);
	assert_value("c:1 20 00 0f 22 0a 27 22 14 27", 20);
	assert_value("c:0 20 00 0f 22 0a 27 22 14 27", 10);
	/* 10 + 9 + ... + 1 by a loop: sum and counter on the stack. */
	assert_value("22 00 22 0a 28 33 02 2b 22 01 03 28 20 00 04 29 27", 55);
}

Test(agent, a_loop_without_end_is_ended)
{
	assert_refused("21 00 00", "more than");
	assert_refused("22 01 20 00 00 27", "more than");
	assert_refused("22 01 28 20 00 02 27", "more than");
}

Test(agent, what_is_no_bytecode_is_refused)
{
	for (int op = 0; op < 256; op++) {
		char source[40];
		bool known = (op >= 1 && op <= 0x30) || (op >= 0x32 && op <= 0x34);
		if (known)
			continue;
		snprintf(source, sizeof(source), "%02x 27", op);
		assert_refused(source, "no bytecode has the number");
	}
	static const char *const floating[] = { "01",	  "c:0 1b", "c:0 1c",
						"c:0 1d", "c:0 1e", "c:0 1f" };
	for (size_t i = 0; i < sizeof(floating) / sizeof(floating[0]); i++)
		assert_refused(floating[i], "floating point");
	assert_refused("", "of 0 bytes");
}

Test(agent, jumps_into_nothing_are_refused)
{
	assert_refused("21 00 03", "past its end");
	assert_refused("21 ff ff 27", "past its end");
	assert_refused("22 01", "past its end");
	assert_value("21 00 04 22 27 27", 0);
	/* Into an operand, that was seen before or is seen after. */
	assert_refused("23 27 27 29 21 00 01", "middle of a bytecode");
	assert_refused("22 00 20 00 07 23 27 27 29 27", "bytecode");
	/* What is never reached may be anything. */
	assert_value("22 05 27 ff ff ff", 5);
}

Test(agent, a_bytecode_cut_off_is_refused)
{
	assert_refused("22", "cut off");
	assert_refused("25 00 00 00 00 00 00 00", "cut off");
	assert_refused("21 00", "cut off");
	assert_refused("26 00", "cut off");
	assert_refused("c:0 c:0 34", "cut off");
	assert_refused("c:0 c:0 34 00 00", "cut off");
	assert_refused("c:0 c:0 34 00 ff ff 00 27", "cut off");
}

Test(agent, the_stack_is_counted_on_receipt)
{
	char source[6 * 400];
	size_t at = 0;

	assert_refused("02 27", "has 0 values, which takes 2");
	assert_refused("c:1 02 27", "has 1 values, which takes 2");
	assert_refused("c:1 32 01 27", "takes 2");
	assert_refused("c:1 32 ff 27", "takes 256");
	assert_refused("c:1 c:2 33 27", "takes 3");
	assert_refused("20 00 00 27", "takes 1");
	assert_refused("c:0 c:0 34 01 00 03 25 64 00 27", "takes 3");
	/* Another number of values each time round. */
	assert_refused("22 01 21 00 00", "has 0 values or 1");
	/* 256 values fit, and not one more. */
	for (int i = 0; i < 256; i++)
		at += (size_t)sprintf(source + at, "22 01 ");
	strcpy(source + at, "27");
	uint8_t bytes[1024];
	struct agent_code *code = NULL;
	cr_assert_null(agent_compile(bytes, assemble(source, bytes), &code));
	uint64_t value = 0;
	cr_assert_null(agent_run(code, &least, NULL, &value));
	agent_free(code);
	strcpy(source + at, "22 01 27");
	struct err *err = agent_compile(bytes, assemble(source, bytes), &code);
	cr_assert_not_null(err);
	cr_assert_not_null(strstr(err->msg, "more than 256 values"));
	err_drop(err);
}

Test(agent, variables_are_got_and_set)
{
	struct world w = { .var = { 7, 8, 9 } };
	uint64_t value = 0;

	assert_value("2c 00 01 27", 8);
	cr_assert_null(run_with("c:42 2d 00 02 27", &full, &w, &value));
	cr_assert_eq(value, 42);
	cr_assert_eq(w.var[2], 42);
	assert_refused("2c 00 09 27", "no variable 9");
	struct err *err = run_with("2c 00 01 27", &least, &w, &value);
	cr_assert_not_null(strstr(err->msg, "no trace state variable 1"));
	err_drop(err);
	err = run_with("c:1 2d 00 01 27", &least, &w, &value);
	cr_assert_not_null(strstr(err->msg, "no trace state variable 1"));
	err_drop(err);
}

Test(agent, tracing_records_and_without_a_record_does_nothing)
{
	struct world w = { 0 };
	uint64_t value = 0;
	const char *source = "c:0x1000 c:8 0c c:0x1001 0d 05 30 01 02 29 2e 00 03 "
			     "c:0x2000 c:100 2f c:0x2002 c:3 2f c:0 c:0 2f c:77 27";

	cr_assert_null(run_with(source, &full, &w, &value));
	cr_assert_eq(value, 77);
	cr_assert_str_eq(w.traced, "1000,8;1001,5;1001,102;a,3;2000,7;2002,3;");
	cr_assert_null(run_with(source, &least, &w, &value));
	cr_assert_eq(value, 77);
	assert_refused("c:0x1000 c:0x10001 2f 27", "too long");
	assert_refused("c:0xfff c:100 2f 27", "no memory at 0xfff");
}

/* Printf of @args, the first one first, under @format. */
static struct err *print_format(struct world *w, const char *format, int nargs,
				const uint64_t *args)
{
	uint8_t bytes[6000];
	size_t n = 0, len = strlen(format) + 1;
	struct agent_code *code = NULL;
	uint64_t value;

	for (int i = nargs - 1; i >= 0; i--) {
		bytes[n++] = AGENT_CONST64;
		for (int shift = 56; shift >= 0; shift -= 8)
			bytes[n++] = (uint8_t)(args[i] >> shift);
	}
	memcpy(bytes + n, "\x22\x00\x22\x00\x34", 5);
	n += 5;
	bytes[n++] = (uint8_t)nargs;
	bytes[n++] = (uint8_t)(len >> 8);
	bytes[n++] = (uint8_t)len;
	memcpy(bytes + n, format, len);
	n += len;
	bytes[n++] = AGENT_END;
	struct err *err = agent_compile(bytes, n, &code);
	if (err)
		return err;
	err = agent_run(code, &full, w, &value);
	agent_free(code);
	return err;
}

static void assert_prints(const char *format, uint64_t arg, const char *want)
{
	struct world w = { 0 };
	int nargs = 0;
	for (const char *p = format; *p; p++)
		nargs += *p == '%' && p[1] != '%' && (p == format || p[-1] != '%');
	struct err *err = print_format(&w, format, nargs, &arg);
	cr_assert_null(err, "%s: %s", format, err->msg);
	cr_assert_str_eq(w.printed, want, "%s prints \"%s\"", format, w.printed);
}

Test(agent, printf_prints_as_c)
{
	assert_prints("plain", 0, "plain");
	assert_prints("100%%", 0, "100%");
	assert_prints("%%", 0, "%");
	assert_prints("tab\\tquote\\\"back\\\\line\\n\\101\\0601\\e.", 0,
		      "tab\tquote\"back\\line\nA01\033.");
	assert_prints("%d", 0xffffffffull, "-1");
	assert_prints("%d", 0x100000002ull, "2");
	assert_prints("%u", 0xffffffffull, "4294967295");
	assert_prints("%ld", (uint64_t)-5, "-5");
	assert_prints("%lld", (uint64_t)-5, "-5");
	assert_prints("%hd", 0x1ffff, "-1");
	assert_prints("%hhd", 0x180, "-128");
	assert_prints("%zu", 1ull << 40, "1099511627776");
	assert_prints("<%5d>", 42, "<   42>");
	assert_prints("<%-5d>", 42, "<42   >");
	assert_prints("<%05d>", 42, "<00042>");
	assert_prints("<%+.3i>", 42, "<+042>");
	assert_prints("%#x %%", 255, "0xff %");
	assert_prints("%X", 255, "FF");
	assert_prints("%o", 8, "10");
	assert_prints("<%c>", 'x', "<x>");
	assert_prints("<%3c>", 'x', "<  x>");
	assert_prints("<%s>", 0x2000, "<a text>");
	assert_prints("<%8s>", 0x2000, "<  a text>");
	assert_prints("<%-8s>", 0x2000, "<a text  >");
	assert_prints("<%.3s>", 0x2000, "<a t>");
	assert_prints("%p", 0x1234, "0x1234");
}

Test(agent, printf_takes_its_values_in_order)
{
	struct world w = { 0 };
	const uint64_t args[] = { 1, 2, 0x2000 };

	cr_assert_null(print_format(&w, "%d, %d, %s", 3, args));
	cr_assert_str_eq(w.printed, "1, 2, a text");
}

Test(agent, printf_refuses_formats_that_it_cannot_print)
{
	static const struct {
		const char *format;
		int nargs;
		const char *words;
	} bad[] = {
		{ "%f", 1, "no conversion %f" },
		{ "%n", 1, "no conversion %n" },
		{ "%", 1, "no conversion" },
		{ "%d", 2, "for 1 values with 2" },
		{ "%d %d", 1, "for 2 values with 1" },
		{ "%*d", 1, "no conversion %*" },
		{ "%99999d", 1, "width" },
		{ "%.99999d", 1, "width" },
		{ "%---------d", 1, "too many flags" },
		{ "%Ld", 1, "no conversion %L" },
	};
	const uint64_t args[2] = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct world w = { 0 };
		struct err *err = print_format(&w, bad[i].format, bad[i].nargs, args);
		cr_assert_not_null(err, "%s is accepted", bad[i].format);
		cr_assert_not_null(strstr(err->msg, bad[i].words), "%s: %s", bad[i].format,
				   err->msg);
		err_drop(err);
	}
	assert_refused("c:0 c:0 34 00 00 02 41 42 27", "NUL");
	assert_refused("c:0 c:0 34 00 00 03 41 00 00 27", "NUL");
	assert_refused("c:0 c:0 34 00 00 00 27", "NUL");
}

Test(agent, printf_of_what_cannot_be_read_is_an_error_and_prints_nothing)
{
	struct world w = { 0 };
	const uint64_t nowhere = 0;
	struct err *err = print_format(&w, "before %s", 1, &nowhere);

	cr_assert_not_null(err);
	cr_assert_not_null(strstr(err->msg, "no memory at 0x0"));
	cr_assert_str_eq(w.printed, "");
	err_drop(err);
}

Test(agent, printf_of_too_much_is_cut)
{
	struct world w = { 0 };
	const uint64_t args[6] = { 1, 2, 3, 4, 5, 6 };

	cr_assert_null(print_format(&w, "%1000d%1000d%1000d%1000d%1000d%1000d", 6, args));
	cr_assert_eq(strlen(w.printed), AGENT_TEXT_MAX);
}
