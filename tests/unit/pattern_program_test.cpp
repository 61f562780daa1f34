// A pattern as a pure program, cell by cell: where it stands × what it is told. Each cell says what it wants then, or that this cannot come.
#include "workflow/program/pattern_program.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace pattern_program_test {

namespace detail = weft::detail;
using detail::event;
using detail::plan;
using weft::outcome;
using kind = event::kind;

constexpr detail::slot question = 0;
constexpr detail::slot action_of_first = 2;  // "01" has its compensation before it

weft::transaction a_transaction(std::string type, weft::status s)
{
    weft::transaction t;
    t.gid = "g1";
    t.trans_type = std::move(type);
    t.status = s;
    t.attempts = 1;
    t.position = 1;
    t.created = t.seen = std::chrono::system_clock::time_point(std::chrono::hours(24 * 365));
    return t;
}

// A program, and the attempt that it would have.
class stand
{
public:
    explicit stand(weft::transaction row) : stored_(row), row_(std::move(row)), program_(row_, defaults_, 10) { }

    // In words, what the program wants; what is to be written is being written after it.
    std::string tell(event e)
    {
        plan p;
        e.since_boot = std::chrono::milliseconds(++now_);
        program_.on(std::move(e), p);
        if (p.park && p.park->paused_reason.starts_with("an event that cannot come"))
            return "cannot come";
        std::string all;
        auto const  add = [&](std::string const& word) { all += (all.empty() ? "" : ", ") + word; };
        for (auto const& s : p.send)
        {
            auto const where = program_.branch_of(s.of, {});
            add(s.of == question ? "ask" : "send " + where.id + ' ' + where.name);
        }
        if (p.write)
        {
            weft::write w;
            program_.record(w);
            auto const& r = std::get<weft::record_write>(w);
            add(r.to ? "write " + std::string(to_string(*r.to)) : "write results");
        }
        if (p.reread)
            add("read");
        if (p.park)
            add(p.park->paused_reason.empty() ? "park" : "pause");
        return all.empty() ? "-" : all;
    }

    std::string answer(outcome o) { return tell({.what = kind::answered, .of = under_way_, .said = std::move(o)}); }
    std::string reread(weft::status s)
    {
        auto row = stored_;
        row.status = s;
        return tell({.what = kind::reread, .row = &row});
    }

    detail::slot under_way_ = action_of_first;

private:
    weft::transaction        stored_;  // none of its operations has ended
    weft::transaction        row_;
    detail::pattern_settings defaults_;
    detail::pattern_program  program_;
    std::int64_t             now_ = 0;
};

struct told
{
    char const*                        name;
    std::function<std::string(stand&)> what;
};
std::vector<told> events()
{
    return {
        {"begun", [](stand& s) { return s.tell({}); }},
        {"answered: success", [](stand& s) { return s.answer(outcome::success()); }},
        {"answered: failure", [](stand& s) { return s.answer(outcome::failure("no")); }},
        {"answered: error", [](stand& s) { return s.answer(outcome::error("down")); }},
        {"not sent", [](stand& s) { return s.tell({.what = kind::not_sent, .of = s.under_way_}); }},
        {"due", [](stand& s) { return s.tell({.what = kind::due}); }},
        {"durable", [](stand& s) { return s.tell({.what = kind::durable}); }},
        {"refused", [](stand& s) { return s.tell({.what = kind::not_written, .said = outcome::error("too long")}); }},
        {"fenced", [](stand& s) { return s.tell({.what = kind::not_written}); }},
        {"changed", [](stand& s) { return s.tell({.what = kind::changed}); }},
        {"read: as it was", [](stand& s) { return s.reread(weft::status::submitted); }},
        {"read: rolls back", [](stand& s) { return s.reread(weft::status::aborting); }},
        {"cancel", [](stand& s) { return s.tell({.what = kind::cancel}); }},
        {"stop", [](stand& s) { return s.tell({.what = kind::stop}); }},
        {"overdue", [](stand& s) { return s.tell({.what = kind::overdue, .of = s.under_way_}); }},
        {"done here", [](stand& s) { return s.tell({.what = kind::done_here, .of = s.under_way_}); }},
    };
}

stand saga()
{
    auto row = a_transaction("saga", weft::status::submitted);
    row.ops =
        detail::saga_ops({{.action = "/a", .compensate = "/ua", .payload = {}}, {.action = "/b", .compensate = "/ub", .payload = {}}});
    return stand(std::move(row));
}

struct standing
{
    char const*                 name;
    std::function<void(stand&)> go_there;
    std::vector<char const*>    cells;  // for each event
};

void send(stand& s) { s.tell({}); }
void record(stand& s)
{
    send(s);
    s.answer(outcome::success());
}
void decide(stand& s)
{
    send(s);
    s.answer(outcome::failure("no"));
}
void undo(stand& s)
{
    decide(s);
    s.tell({.what = kind::durable});
    s.under_way_ = 1;
}
void park(stand& s)
{
    send(s);
    s.answer(outcome::error("down"));
}
void read(stand& s)
{
    send(s);
    s.tell({.what = kind::changed});
}

std::vector<standing> places()
{
    constexpr auto no = "cannot come";
    return {
        {"not begun", [](stand&) {}, {"send 01 action", no, no, no, no, no, no, no, no, "-", no, no, "-", "-", no, no}},
        {"its action is under way",
         send,
         {no, "write results", "write aborting", "park", "-", "-", no, no, no, "read", no, no, "-", "-", no, no}},
        {"a result is being written", record, {no, no, no, no, no, "-", "send 02 action", "pause", "read", "-", no, no, "-", "-", no, no}},
        {"the decision is being written",
         decide,
         {no, no, no, no, no, "-", "send 01 compensate", "pause", "read", "-", no, no, "-", "-", no, no}},
        {"its compensation is under way",
         undo,
         {no, "write failed", "park", "park", "-", "-", no, no, no, "read", no, no, "-", "-", no, no}},
        {"it is given back", park, {no, no, no, no, no, "-", "park", "pause", "read", "-", no, no, "-", "-", no, no}},
        {"its row is being read", read, {no, "-", "-", "-", "-", "-", no, no, no, "read", "-", "-", "-", "-", no, no}},
    };
}

TEST(PatternProgram, EachCellIsAsItSays)
{
    for (auto const& p : places())
    {
        auto const all = events();
        ASSERT_EQ(p.cells.size(), all.size()) << p.name;
        for (std::size_t i = 0; i < all.size(); ++i)
        {
            auto s = saga();
            p.go_there(s);
            EXPECT_EQ(all[i].what(s), p.cells[i]) << p.name << " × " << all[i].name;
        }
    }
}

// What was learnt while the row was read, and what was decided elsewhere meanwhile, both count.
TEST(PatternProgram, GoesOnFromTheRowThatWasRead)
{
    auto s = saga();
    read(s);
    EXPECT_EQ(s.answer(outcome::success()), "-");
    EXPECT_EQ(s.reread(weft::status::aborting), "send 01 compensate") << "the answer belongs to what it was before";
}

TEST(PatternProgram, AsksWhatBecameOfAMessage)
{
    auto row = a_transaction("msg", weft::status::prepared);
    row.query_prepared = "/query";
    row.ops = detail::msg_ops({{.action = "/a", .compensate = {}, .payload = {}}});
    row.seen += std::chrono::hours(1);
    for (auto const& [said, wanted] : {std::pair(outcome::success(), "write submitted"), std::pair(outcome::failure("no"), "write failed"),
                                       std::pair(outcome::ongoing("later"), "park"), std::pair(outcome::error("down"), "park")})
    {
        stand s(row);
        s.under_way_ = question;
        EXPECT_EQ(s.tell({}), "ask");
        EXPECT_EQ(s.answer(said), wanted);
    }
}

}  // namespace pattern_program_test
