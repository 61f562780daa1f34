// Calls that hang, on real threads: whatever hangs keeps up nothing else. Waits by condition; the tests let go of what they hold.
#include "tests/support/forwarding_store.hpp"
#include "tests/unit/workshop.hpp"

#include <weft/host.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace neighbours_test {

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

private:
    gate &lists_, &releases_;
};

// A participant that does not answer when it is first asked.
struct hung final : weft::participant_database
{
    explicit hung(gate& g) : where(g) { }
    bool holds(std::string const&) override
    {
        where.pass();
        return false;
    }
    gate& where;
};
struct in_a_database
{
    using weft_operation = void;
    template <class... Args>
    using result = int;

    weft::participant_database* database() const { return &where; }
    int                         run_local(weft::record_writer&, weft::branch const&) const { return 1; }
    void                        start(weft::operation_call call) const { std::move(call).answer(weft::outcome::success("1")); }

    hung& where;
};
weft::workflow<int> writes_there(weft::context& wf, hung& where)
{
    in_a_database const operation{where};
    co_return co_await wf.step("write", operation);
}
weft::workflow<int> works(weft::context& wf, int n) { co_return co_await wf.step("work", &same, n); }

class Neighbour : public ::testing::Test
{
protected:
    Neighbour()
    {
        weft::engine_options o;
        o.beat = 20ms;
        o.expiry = 2s;
        host.emplace(store, o);
        host->engine().add("works", &works);
        host->engine().add("writes-there", &writes_there, std::ref(participant));
        host->engine().add("writes-here", &writes_there, std::ref(other));
    }
    ~Neighbour() override
    {
        for (auto* g : {&lists, &releases, &probes})
            g->open();
        host->stop(10s);
    }

    void others_go_on()
    {
        auto const before = store.beats.load();
        for (int i = 0; i < 20; ++i)
            EXPECT_EQ(host->engine().execute<int>("works", "g" + std::to_string(i), i, weft::within(60s), weft::blocking), i);
        while (store.beats < before + 5)
            std::this_thread::sleep_for(1ms);
        EXPECT_TRUE(host->engine().alive(weft::blocking));
        EXPECT_EQ(host->engine().query("g1", weft::blocking)->status, weft::status::succeed);
    }

    gate                      lists, releases, probes, open_one;
    neighbour                 store{lists, releases};
    hung                      participant{probes}, other{open_one};
    std::optional<weft::host> host;
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
    host->engine().execute<int>("writes-there", "hangs", [&](std::exception_ptr, int n) { answer.set_value(n); });
    probes.wait_for_somebody();
    others_go_on();
    open_one.open();
    EXPECT_EQ(host->engine().execute<int>("writes-here", "another", weft::within(60s), weft::blocking), 1) << "another participant";
    probes.open();
    EXPECT_EQ(answer.get_future().get(), 1);
}

TEST_F(Neighbour, AReleaseThatTakesLongKeepsUpNobody)
{
    store.enlist("the dead", {});
    ASSERT_TRUE(store.bury("the dead", 0));
    host->start();
    releases.wait_for_somebody();
    others_go_on();
}

}  // namespace neighbours_test
