/* SPDX-License-Identifier: Apache-2.0 */
/* Each line is an entry of one batch, every second one with a label, and goes through all stages. */
#include "../support/pipeline_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char stages[] =
	"stage.json {\nexpressions = {a = \"\", b = \"b.c[-1].d\", ts = \"\"}\nregex = \"^e\"\n}\n"
	"stage.logfmt {\nmapping = {a = \"\", ts = \"time\"}\nregex = \"^e\"\n}\n"
	"stage.regex {\nexpression = \"(?P<w>\\\\w+) (?P<rest>.*)\"\nlabels_from_groups = true\n}\n"
	"stage.labels { values = {a = \"\", b = \"\", e = \"\"} }\nstage.label_drop { values = [\"w\"] }\n"
	"stage.timestamp {\nsource = \"ts\"\nformat = \"RFC3339\"\nfallback_formats = [\"Unix\", \"Jan _2 15:04:05\", \"RFC1123\"]\n}\n"
	"stage.drop {\nsource = \"a,b\"\nexpression = \"drop me\"\n}\nstage.output { source = \"rest\" }";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line, rest = {(const char *)data, size};
	struct fixture f;
	struct batch *b;

	fixture_init(&f, stages);
	b = fixture_batch(&f, 64);
	while (b->n < 64 && str_cut(rest, '\n', &line, &rest))
		fixture_add(&f, b, line, b->n % 2 == 0 ? arena_z(f.arena, str_head(line, 20)) : NULL, (int64_t)b->n);
	pipeline_run(f.pipeline, b);
	fixture_done(&f);
	return 0;
}
