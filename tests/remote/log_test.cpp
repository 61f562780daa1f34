// A journal as a log of rows: written, kept by a coordinator, read again.
#include "src/remote/log.hpp"

#include <weft/errors.hpp>

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace log_test {

using namespace weft::remote_detail;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// What a coordinator has, as it answers a query.
class kept
{
public:
    explicit kept(creation const& c, std::string status = "prepared")
    {
        transaction_["gid"] = "g1";
        transaction_["trans_type"] = "workflow";
        transaction_["status"] = status;
        transaction_["custom_data"] = c.text();
    }

    void add(log_row const& r)
    {
        for (auto const& data : written(r))
            add(data);
    }
    void add(std::string const& data)
    {
        boost::json::object b;
        b["branch_id"] = "00";
        b["op"] = row_name(rows_++);
        b["bin_data"] = to_base64(data);
        branches_.insert(branches_.begin(), std::move(b));  // in whatever order
    }
    void lose_a_row() { ++rows_; }

    seen read() const { return read_transaction(transaction_, branches_); }

    boost::json::object transaction_;
    boost::json::array  branches_;

private:
    std::uint64_t rows_ = 0;
};

creation created(std::string input = "{\"id\":1}")
{
    creation c;
    c.name = "place-order";
    c.input = std::move(input);
    c.token = "me-1";
    c.at = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'123));
    return c;
}

log_row extended(std::string entries, std::uint32_t count, std::string by = "me")
{
    log_row r;
    r.does = record_type::extend;
    r.by = std::move(by);
    r.extends.entries = std::move(entries);
    r.extends.entry_count = count;
    return r;
}

log_row simple(record_type d, std::string text = {}, std::string by = "me")
{
    log_row r;
    r.does = d;
    r.by = d == record_type::cancel || d == record_type::resume ? std::string() : std::move(by);
    r.text = std::move(text);
    return r;
}

TEST(Log, GivesBackTheCreation)
{
    auto const s = kept(created()).read();
    EXPECT_EQ(s.row.workflow, "place-order");
    EXPECT_EQ(s.row.input, "{\"id\":1}");
    EXPECT_EQ(s.token, "me-1");
    EXPECT_EQ(s.row.created.time_since_epoch(), std::chrono::milliseconds(1'700'000'000'123));
    EXPECT_EQ(s.row.journal, R"({"journal":[]})");
    EXPECT_TRUE(s.whole);
    EXPECT_EQ(s.rows, 0u);
}

TEST(Log, JoinsEntriesToOneJournalWhateverCommasTheyCameWith)
{
    kept k(created());
    k.add(extended(R"({"id":"01","op":"action","status":"prepared"})", 1));
    k.add(extended(R"(,{"id":"01","op":"action","status":"succeed","data":1.50},{"id":"02","op":"action","status":"prepared"})", 2));
    auto const s = k.read();
    EXPECT_EQ(
        s.row.journal,
        R"({"journal":[{"id":"01","op":"action","status":"prepared"},{"id":"01","op":"action","status":"succeed","data":1.50},{"id":"02","op":"action","status":"prepared"}]})");
    EXPECT_EQ(s.row.position, 3);
    EXPECT_EQ(s.rows, 2u);
    EXPECT_EQ(s.by, "me");
}

TEST(Log, SealsAsTheEngineSaid)
{
    kept k(created());
    k.add(extended("{\"n\":1}", 1));
    auto sealed = extended("{\"n\":2}", 1);
    sealed.extends.seal_part = 1;
    sealed.extends.seal_entries = 1;
    k.add(sealed);
    auto const s = k.read();
    ASSERT_THAT(s.row.parts, SizeIs(1));
    EXPECT_EQ(s.row.parts[0], R"({"journal":[{"n":1}]})");
    EXPECT_EQ(s.row.journal, R"({"parts":1,"entries":1,"journal":[{"n":2}]})");
}

TEST(Log, KnowsTheDecisionAndTheEnd)
{
    kept k(created());
    auto decided = extended("", 0);
    decided.extends.decide = weft::extend_write::decision::commit;
    decided.extends.text = "{\"order\":\"\\u00fc\"}";
    k.add(decided);
    EXPECT_EQ(k.read().row.status, weft::status::submitted);
    EXPECT_EQ(k.read().row.result, decided.extends.text);
    EXPECT_EQ(k.read().row.position, 1);
    k.transaction_["status"] = "succeed";
    EXPECT_EQ(k.read().row.status, weft::status::succeed);
    EXPECT_EQ(k.read().row.result, decided.extends.text);
    EXPECT_EQ(k.read().row.position, 2);
}

TEST(Log, IsOverruledByAnEndThatTheCoordinatorKnows)
{
    kept k(created());
    k.add(extended("{\"n\":1}", 1));
    k.transaction_["status"] = "failed";
    auto const s = k.read();
    EXPECT_EQ(s.row.status, weft::status::failed);
    EXPECT_EQ(s.row.reason, "stopped at its coordinator");
    EXPECT_EQ(s.row.position, 3);
}

TEST(Log, CountsClaimsSinceTheLastEntry)
{
    kept k(created());
    k.add(simple(record_type::claim, {}, "a"));
    k.add(simple(record_type::claim, {}, "b"));
    EXPECT_EQ(k.read().row.attempts, 2u);
    EXPECT_EQ(k.read().by, "b");
    k.add(extended("{\"n\":1}", 1, "b"));
    EXPECT_EQ(k.read().row.attempts, 0u);
}

TEST(Log, KnowsPausesAndRequests)
{
    kept k(created());
    k.add(simple(record_type::pause, "charge: it said no"));
    EXPECT_EQ(k.read().row.paused_reason, "charge: it said no");
    k.add(simple(record_type::resume));
    EXPECT_EQ(k.read().row.paused_reason, "");
    EXPECT_FALSE(k.read().row.cancel_requested);
    k.add(simple(record_type::cancel));
    EXPECT_TRUE(k.read().row.cancel_requested);
    EXPECT_EQ(k.read().by, "me");  // a request goes on with nothing
}

TEST(Log, LetsARequestToCancelOutlastAPause)
{
    kept k(created());
    k.add(simple(record_type::cancel));
    k.add(simple(record_type::pause, "written at the same time"));
    EXPECT_TRUE(k.read().row.cancel_requested);
    EXPECT_EQ(k.read().row.paused_reason, "");
    kept other(created());
    other.add(simple(record_type::pause, "for a person"));
    other.add(extended("{\"n\":1}", 1));
    EXPECT_EQ(other.read().row.paused_reason, "");  // somebody has gone on
}

TEST(Log, CutsWhatIsTooLongAtCharactersAndPutsItTogetherAgain)
{
    std::string text;
    while (text.size() < 3 * row_limit)
        text += "\u00fc\u20ac\U0001F600x";
    auto const row = extended("{\"data\":\"" + text + "\"}", 1);
    auto const pieces = written(row);
    EXPECT_GT(pieces.size(), 3u);
    kept k(created());
    for (auto const& p : pieces)
    {
        EXPECT_LE(p.size(), 65'535u);
        EXPECT_NE(static_cast<unsigned char>(p.substr(p.find('\n') + 1).front()) & 0xC0u, 0x80u);
        k.add(p);
    }
    auto const s = k.read();
    EXPECT_EQ(s.row.position, 1);
    EXPECT_EQ(s.rows, pieces.size());
    EXPECT_THAT(s.row.journal, HasSubstr(text));
}

TEST(Log, ForgetsPartsThatSomebodyElseHasWrittenBehind)
{
    auto const pieces = written(extended("{\"data\":\"" + std::string(2 * row_limit, 'x') + "\"}", 1));
    kept       k(created());
    k.add(pieces[0]);
    k.add(pieces[1]);
    k.add(simple(record_type::claim, {}, "another"));
    k.add(extended("{\"n\":1}", 1, "another"));
    auto const s = k.read();
    EXPECT_EQ(s.row.journal, R"({"journal":[{"n":1}]})");
    EXPECT_EQ(s.row.position, 1);
}

TEST(Log, LetsARequestStandBetweenParts)
{
    auto const pieces = written(extended("{\"data\":\"" + std::string(2 * row_limit, 'x') + "\"}", 1));
    ASSERT_EQ(pieces.size(), 3u);
    kept k(created());
    k.add(pieces[0]);
    k.add(simple(record_type::cancel));
    k.add(pieces[1]);
    k.add(pieces[2]);
    auto const s = k.read();
    EXPECT_TRUE(s.row.cancel_requested);
    EXPECT_EQ(s.row.position, 1);
}

TEST(Log, TakesALongInputFromItsRows)
{
    std::string const input = '"' + std::string(3 * row_limit, 'i') + '"';
    auto              c = created(input);
    c.apart = true;
    kept k(c);
    EXPECT_LE(c.text().size(), column_limit);
    EXPECT_FALSE(k.read().whole);
    k.add(simple(record_type::input, input));
    EXPECT_TRUE(k.read().whole);
    EXPECT_EQ(k.read().row.input, input);
}

TEST(Log, SaysThatARowIsMissing)
{
    kept k(created());
    k.add(extended("{\"n\":1}", 1));
    k.lose_a_row();
    k.add(extended("{\"n\":2}", 1));
    try
    {
        k.read();
        FAIL();
    }
    catch (weft::store_error const& e)
    {
        EXPECT_THAT(e.what(), HasSubstr("lost row 1 of the journal of \"g1\""));
    }
}

TEST(Log, IsNotReadableWithARowThatIsNone)
{
    kept k(created());
    k.add(std::string("\xff\x00 garbage", 10));
    EXPECT_FALSE(k.read().readable);
    EXPECT_FALSE(k.read().by == "me");
}

TEST(Log, LeavesOtherClientsWorkflowsAlone)
{
    kept k(created());
    k.transaction_["custom_data"] = R"({"name":"place-order","data":"eyJpZCI6MX0="})";
    EXPECT_EQ(k.read().token, "");
    k.transaction_["custom_data"] = "not json";
    EXPECT_EQ(k.read().token, "");
    k.transaction_["custom_data"] = R"({"name":"place-order","data":"%%%","by":"x"})";
    EXPECT_EQ(k.read().token, "");
}

}  // namespace log_test
