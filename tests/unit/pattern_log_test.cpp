// dtm's patterns: what is said of them in the log, and when.
#include "tests/unit/log_lines.hpp"
#include "tests/unit/patterns.hpp"
#include "tests/unit/wrapped_store.hpp"

namespace patterns_test {

class PatternLog : public ::testing::Test
{
protected:
    weft::testing::environment_options options()
    {
        auto o = wrapped_store::options(control);
        o.engine.logger = log.logger();
        return o;
    }

    log_lines                               log;
    std::shared_ptr<wrapped_store::control> control = std::make_shared<wrapped_store::control>();
    managed                                 world{options()};
};

TEST_F(PatternLog, NamesTheHeadersOfAnOldRowThatMustNotBeSentAndFinishesItWithoutThem)
{
    weft::create_write w;
    w.gid = "g1";
    w.trans_type = "saga";
    w.status = status::submitted;
    w.options = R"({"branch_headers":{"Host":"x","a":"1","b":"2\r\nc:3","content-length":"7"}})";
    w.ops = {{.branch_id = "01", .op = "compensate", .url = "a"}, {.branch_id = "01", .op = "action", .url = "a"}};
    weft::write const write = w;
    world.env.store().apply({&write, 1}, false);
    world.env.run_until([&] { return world.row("g1").status == status::succeed; });
    ASSERT_THAT(world.at.seen(), ElementsAre("01 action a"));
    EXPECT_THAT(world.at.calls[0].headers, ElementsAre(::testing::Pair("a", "1")));
    EXPECT_THAT(log.with("headers"), ElementsAre("warning gid=g1 calls its branches without headers that must not be sent: "
                                                 "Host, b, content-length"));
}

// Not before it is so: a write that is refused or lost decides nothing.
TEST_F(PatternLog, SaysThatASagaRollsBackOnceThatIsWritten)
{
    int decided = 0;
    control->seen = [&](weft::write const& w) {
        auto const* const record = std::get_if<weft::record_write>(&w);
        if (!record || record->to != status::aborting)
            return;
        EXPECT_THAT(log.with("rolls back"), IsEmpty());
        if (++decided == 1)
            throw weft::store_error("the connection was lost");
    };
    world.at.answers["action b"] = {outcome::failure("out of stock")};
    world.submit(saga("g1"));
    world.env.finish();
    EXPECT_EQ(decided, 2);
    EXPECT_EQ(world.row("g1").status, status::failed);
    EXPECT_THAT(log.with("rolls back"), ElementsAre("info gid=g1 rolls back: url:b return failed: out of stock"));
}

}  // namespace patterns_test
