/* SPDX-License-Identifier: Apache-2.0 */
/* Each line is an entry of one batch, every second one with a label: the stages that fuzz_stage does not have. */
#include "../support/pipeline_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char stages[] =
	"stage.decolorize {}\nstage.docker {}\nstage.split_json {}\nstage.json { expressions = {message = \"\", a = \"\"} }\n"
	"stage.match {\nselector = \"{l=~\\\".+\\\"} != \\\"x\\\"\"\nstage.eventlogmessage {}\nstage.split_json { source = \"a\" }\n"
	"stage.limit {\nrate = 1\nburst = 20\ndrop = true\n}\n}\n"
	"stage.windowsevent {}\nstage.luhn {\ndelimiters = \" -\"\nskip_regex = \"id=\\\\S+\"\nmin_length = 4\n}\n"
	"stage.pattern {\npattern = \"<_> [<w>] <rest>\"\nlabels_from_groups = true\n}\n"
	"stage.structured_metadata {\nvalues = {a = \"\", l = \"\"}\nregex = \"^e\"\n}\nstage.structured_metadata_drop { values = [\"ex\"] }\n"
	"stage.truncate {\nrule {\nlimit = \"100B\"\nsuffix = \"…\"\n}\nrule {\nlimit = \"4B\"\nsource_type = \"extracted\"\n}\n"
	"rule {\nlimit = \"5B\"\nsource_type = \"structured_metadata\"\n}\nrule {\nlimit = \"6B\"\nsource_type = \"label\"\n}\n}\n"
	"stage.metrics {\nmetric.gauge {\nname = \"a\"\naction = \"add\"\n}\nmetric.histogram {\nname = \"w\"\nbuckets = [1, 2]\n}\n}\n"
	"stage.tenant { source = \"w\" }\nstage.sampling { rate = 0.9 }\nstage.pack { labels = [\"l\", \"rest\"] }";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line, rest = {(const char *)data, size};
	struct fixture f;
	struct batch *b;

	fixture_init(&f, stages);
	assert(f.pipeline != NULL);
	b = fixture_batch(&f, 64);
	while (b->n < 64 && str_cut(rest, '\n', &line, &rest))
		fixture_add(&f, b, line, b->n % 2 == 0 ? arena_z(f.arena, str_head(line, 20)) : NULL, (int64_t)b->n);
	pipeline_run(f.pipeline, b);
	fixture_done(&f);
	return 0;
}
