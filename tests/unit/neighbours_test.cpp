// Calls that hang, on real threads: whatever hangs keeps up nothing else. Waits by condition; the tests let go of what they hold.
#include "tests/support/burials.hpp"
#include "tests/support/forwarding_store.hpp"
#include "tests/unit/workshop.hpp"

#include <weft/host.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace neighbours_test {

using namespace weft::literals;
using namespace workshop;

// Closed until the test opens it.
class gate
{
public:
    ~gate() { open(); }
    void pass()
    {
        ++came_;
        opened_.wait();
    }
    void open()
    {
        if (!std::exchange(is_open_, true))
            promise_.set_value();
    }
    void wait_for_somebody() const
    {
        while (came_ == 0)
            std::this_thread::sleep_for(1ms);
    }

private:
    std::atomic<int>         came_{0};
    bool                     is_open_ = false;
    std::promise<void>       promise_;
    std::shared_future<void> opened_ = promise_.get_future().share();
};

class neighbour final : public forwarding_store
{
public:
    neighbour(gate& lists, gate& releases) : forwarding_store(weft::make_memory_store()), lists_(lists), releases_(releases) { }

    // Operations in this store, too, as on a server: each on its own, and as long as it takes.
    std::size_t                     operations_at_once() const noexcept override { return 4; }
    std::vector<weft::write_result> apply(std::span<weft::write const> writes, bool repeated) override
    {
        auto const* const local = std::get_if<weft::local_write>(&writes.front());
        auto const* const creates = std::get_if<weft::create_write>(&writes.front());
        if (creates && creates->gid == "slow")
            slow_creations.pass();
        if (!local)
            return base_->apply(writes, repeated);
        writer w(*base_);
        return {{local->operation->run(w) ? weft::written::done : weft::written::refused, {}, {}}};
    }

    std::vector<weft::transaction> list(weft::list_filter const& f) override
    {
        lists_.pass();
        return base_->list(f);
    }
    weft::released release_dead(std::size_t limit) override
    {
        releases_.pass();
        return base_->release_dead(limit);
    }
    weft::beaten beat(std::string const& e, std::span<std::string const> w) override
    {
        ++beats;
        return base_->beat(e, w);
    }
    bool mark(std::string const&, bool) override { return true; }

    std::atomic<int> beats{0};
    gate             slow_creations;

private:
    class writer final : public weft::record_writer
    {
    public:
        explicit writer(weft::store& s) : store_(s) { }
        std::any connection() override { return {}; }
        bool     record(weft::extend_write const& e) override
        {
            weft::write const w = e;
            return store_.apply({&w, 1}, false).front().what == weft::written::done;
        }
        bool applied(weft::extend_write const&) override { return false; }

    private:
        weft::store& store_;
    };

    gate &lists_, &releases_;
};

// A participant that does not answer when it is first asked.
struct hung final : weft::participant_database
{
    explicit hung(gate& g) : where(g) { }
    bool holds(std::string const&) override
    {
        if (!is_own)
            where.pass();
        return is_own;
    }
    gate& where;
    bool  is_own = false;  // the store's own database: operations wait there
};
struct in_a_database
{
    using weft_operation = void;
    template <class... Args>
    using result = int;

    weft::participant_database* database() const { return &where; }
    int                         run_local(weft::record_writer&, weft::branch const&) const
    {
        where.where.pass();
        return 1;
    }
    void start(weft::operation_call call) const { std::move(call).answer(weft::outcome::success("1")); }

    hung& where;
};
weft::workflow<int> writes_there(weft::context& wf, hung& where)
{
    in_a_database const operation{where};
    co_return co_await wf.step("write", operation);
}
weft::workflow<int> works(weft::context& wf, int n) { co_return co_await wf.step("work", &same, n); }

struct attempts_counted final : weft::counters
{
    std::atomic<std::uint64_t> attempts{0};
    void                       count(event e, std::uint64_t n) noexcept override { attempts += e == event::attempts ? n : 0; }
};

class Neighbour : public ::testing::Test
{
protected:
    Neighbour()
    {
        weft::engine_options o;
        o.counters = counted;
        o.beat = 20ms;
        o.expiry = 2s;
        host.emplace(store, o);
        host->engine().add("works", &works);
        host->engine().add("writes-there", &writes_there, std::ref(participant));
        host->engine().add("writes-here", &writes_there, std::ref(other));
    }
    ~Neighbour() override
    {
        for (auto* g : {&lists, &releases, &probes, &open_one, &store.slow_creations})
            g->open();
        host->stop(10s);
    }

    void others_go_on()
    {
        auto const before = store.beats.load();
        for (int i = 0; i < 20; ++i)
            EXPECT_EQ(weft::handle<int(int)>(host->engine(), "works")
                          .execute(weft::gid("g" + std::to_string(i)), i, weft::within(60s), weft::blocking),
                      i);
        while (store.beats < before + 5)
            std::this_thread::sleep_for(1ms);
        EXPECT_TRUE(host->engine().alive(weft::blocking));
        EXPECT_EQ(host->engine().query("g1"_gid, weft::blocking)->status, weft::status::succeed);
    }

    gate      lists, releases, probes, open_one;
    neighbour store{lists, releases};

    std::shared_ptr<attempts_counted> counted = std::make_shared<attempts_counted>();
    hung                              participant{probes}, other{open_one};
    std::optional<weft::host>         host;
};

TEST_F(Neighbour, AListThatTakesLongKeepsUpNobody)
{
    host->start();
    std::promise<std::size_t> listed;
    host->engine().list(weft::list_filter(),
                        [&](std::exception_ptr, std::vector<weft::transaction> rows) { listed.set_value(rows.size()); });
    lists.wait_for_somebody();
    others_go_on();
    lists.open();
    EXPECT_EQ(listed.get_future().get(), 20u);
}

TEST_F(Neighbour, AParticipantThatHangsWhenItIsFirstAskedKeepsUpNobody)
{
    host->start();
    std::promise<int> answer;
    weft::handle<int()>(host->engine(), "writes-there").execute("hangs"_gid, [&](std::exception_ptr, int n) { answer.set_value(n); });
    probes.wait_for_somebody();
    others_go_on();
    open_one.open();
    EXPECT_EQ(weft::handle<int()>(host->engine(), "writes-here").execute("another"_gid, weft::within(60s), weft::blocking), 1)
        << "another participant";
    probes.open();
    EXPECT_EQ(answer.get_future().get(), 1);
}

TEST_F(Neighbour, AReleaseThatTakesLongKeepsUpNobody)
{
    store.register_engine("the dead", {});
    ASSERT_TRUE(store.bury("the dead", 0));
    host->start();
    releases.wait_for_somebody();
    others_go_on();
}

// The engine is taken for dead while the operation that has the only permit waits for its row: whoever asks after it is served none the less.
TEST_F(Neighbour, APermitOfAnOperationInTheStoreIsServedWhenItReturnsToAnEngineThatWasTakenForDead)
{
    releases.open();
    other.is_own = true;
    host->engine().limit("write", {.at_once = 1});
    host->start();
    std::promise<int> first;
    weft::handle<int()>(host->engine(), "writes-here").execute("first"_gid, [&](std::exception_ptr, int n) { first.set_value(n); });
    open_one.wait_for_somebody();
    bury_all(store);
    while (counted->attempts < 2)
        std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(host->engine().alive(weft::blocking));  // behind it on the strand: it has asked for the permit
    open_one.open();
    EXPECT_EQ(first.get_future().get(), 1);
    EXPECT_EQ(weft::handle<int()>(host->engine(), "writes-here").execute("second"_gid, weft::within(20s), weft::blocking), 1);
}

// The store takes a creation and does not answer: whoever asks again with the same gid, and gives up, hears that nobody knows.
TEST_F(Neighbour, ACreationThatHangsLeavesItsGidInDoubt)
{
    host->start();
    auto const told = [&] {
        try
        {
            weft::handle<int(int)>(host->engine(), "works").execute("slow"_gid, 1, weft::within(100ms), weft::blocking);
        }
        catch (weft::unfinished const& e)
        {
            return e.written();
        }
        return weft::known::applied;
    };
    EXPECT_EQ(told(), weft::known::in_doubt);
    EXPECT_EQ(told(), weft::known::in_doubt);
    store.slow_creations.open();
    EXPECT_EQ(weft::handle<int(int)>(host->engine(), "works").execute("slow"_gid, 1, weft::within(60s), weft::blocking), 1);
}

}  // namespace neighbours_test
