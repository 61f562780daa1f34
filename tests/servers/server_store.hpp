// A store on a server, an engine on it, and callers who want an end of every workflow, whatever befalls the server meanwhile.
#pragma once

#include "src/sql/server_session.hpp"
#include "tests/support/servers.hpp"

#include <weft/counters.hpp>
#include <weft/errors.hpp>
#include <weft/host.hpp>
#include <weft/open_store.hpp>
#include <weft/sql.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>

using namespace std::chrono_literals;

inline int                 three() { return 3; }
inline weft::workflow<int> three_steps(weft::context& wf)
{
    int sum = 0;
    for (int i = 0; i < 3; ++i)
        sum += co_await wf.step("three", &three);
    co_return sum;
}

// The same in a database, which may be the store's own.
inline int count_three(soci::session& sql)
{
    sql << "INSERT INTO ledger (what) VALUES ('three')";
    return 3;
}
inline weft::workflow<int> three_steps_in(weft::context& wf, weft::database& db)
{
    int sum = 0;
    for (int i = 0; i < 3; ++i)
        sum += co_await wf.step("three", weft::sql(db)(&count_three));
    co_return sum;
}

// What opening says; "none" if it opens.
inline std::string refusal(std::string const& url)
{
    try
    {
        weft::open_store(url);
        return "none";
    }
    catch (weft::error const& e)
    {
        return e.what();
    }
}

inline std::string replaced(std::string text, std::string const& what, std::string const& by)
{
    return text.replace(text.find(what), what.size(), by);
}

class counted final : public weft::counters
{
public:
    void          count(event e, std::uint64_t n) noexcept override { counts_[static_cast<std::size_t>(e)] += n; }
    std::uint64_t of(event e) const { return counts_[static_cast<std::size_t>(e)]; }

private:
    std::array<std::atomic<std::uint64_t>, event_count> counts_{};
};

class ServerStore : public testing::TestWithParam<std::string>
{
protected:
    using event = weft::counters::event;

    bool postgres() const { return !GetParam().starts_with("mysql"); }

    std::unique_ptr<weft::host> start(weft::store& store, weft::engine_options options = {})
    {
        options.counters = counts;
        auto host = std::make_unique<weft::host>(store, std::move(options));
        if (own)
            host->engine().add("three-steps", &three_steps_in, std::ref(*own));
        else
            host->engine().add("three-steps", &three_steps);
        host->start();
        return host;
    }
    int execute(weft::host& host, std::string gid)
    {
        return weft::handle<int()>(host.engine(), "three-steps").execute(weft::gid(std::move(gid)), weft::within(30s), weft::blocking);
    }

    // Four callers begin so many workflows each and see every one to its end, once, while `disturb(enough)` is at work; more, until it has
    // returned. `enough`: they have done so many.
    void all_end_in_spite_of(std::function<void(std::atomic<bool> const& enough)> const& disturb, weft::store& store, int each = 40)
    {
        auto const               host = start(store);
        std::atomic<bool>        enough{false}, disturbed{false};
        std::atomic<int>         begun{0}, ended{0}, done{0};
        std::vector<std::thread> callers;
        for (int c = 0; c < 4; ++c)
            callers.emplace_back([&, c] {
                for (int i = 0; i < each || !disturbed; ++i)
                {
                    ++begun;
                    ended += see_to_its_end(*host, "g" + std::to_string(c) + "-" + std::to_string(i)) == 9;
                    if (i + 1 == each && ++done == 4)
                        enough = true;
                }
            });
        try
        {
            disturb(enough);
        }
        catch (std::exception const& e)
        {
            ADD_FAILURE() << "the disturbance failed: " << e.what();
        }
        disturbed = true;
        for (auto& t : callers)
            t.join();
        EXPECT_EQ(ended, begun);
        EXPECT_EQ(here.value("SELECT count(*) FROM trans_global WHERE status = 'succeed' AND position = 5"), std::to_string(begun))
            << "three entries, decision, end";
        EXPECT_GT(counts->of(event::store_errors), 0u) << "nothing befell it";
    }

    // One more than now, of what the engine counts.
    bool sees_more(event e, std::uint64_t more = 1)
    {
        auto const now = counts->of(e);
        return eventually([&] { return counts->of(e) >= now + more; });
    }

    // Again and again, what the sessions on the database are doing, or they themselves, are ended by the server's owner.
    void torment(std::atomic<bool> const& enough, std::chrono::milliseconds pause, std::string const& postgres_function,
                 std::string const& mysql_statement)
    {
        weft::detail::server_session owner(weft::detail::parse_server_url(here.url()), {},
                                           weft::detail::server_session::purpose::participant);
        int                          n = 0;
        // On a quick server nothing may be under way whenever it looks: until something was.
        auto const until = std::chrono::steady_clock::now() + 30s;
        while (!enough || (counts->of(event::store_errors) == 0 && std::chrono::steady_clock::now() < until))
        {
            // A busy server takes long to let somebody in, and whoever is thrown out before that gets nowhere.
            auto const entered = std::chrono::steady_clock::now();
            weft::detail::server_session(weft::detail::parse_server_url(here.url()), {},
                                         weft::detail::server_session::purpose::participant);
            std::this_thread::sleep_for(pause + 3 * (std::chrono::steady_clock::now() - entered));
            if (postgres())
                owner.sql() << "SELECT count(" + postgres_function +
                                   "(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
                    soci::into(n);
            else
            {
                owner.sql() << "SELECT coalesce(min(id), 0) FROM (SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND "
                               "id <> CONNECTION_ID() ORDER BY RAND() LIMIT 1) AS one",
                    soci::into(n);
                try
                {
                    if (n > 0)
                        owner.execute(mysql_statement + " " + std::to_string(n));
                }
                catch (soci::soci_error const&)
                {
                    // It is gone already.
                }
            }
        }
    }

    // 0 if it does not end.
    int see_to_its_end(weft::host& host, std::string const& gid)
    {
        auto const  until = std::chrono::steady_clock::now() + 60s;
        std::string why;
        while (std::chrono::steady_clock::now() < until)
            try
            {
                return execute(host, gid);
            }
            catch (weft::store_error const& e)
            {
                why = e.what();  // in doubt: the same gid again
            }
            catch (std::exception const& e)
            {
                ADD_FAILURE() << gid << ": " << e.what();
                return 0;
            }
        ADD_FAILURE() << gid << " does not end: " << why;
        return 0;
    }

    // From now on the steps count in the store's own database.
    void work_in_the_stores_database()
    {
        own = std::make_unique<weft::database>(here.url());
        own->run([](soci::session& sql) { sql << "CREATE TABLE ledger (what varchar(100))"; });
    }
    void every_step_is_counted_once()
    {
        EXPECT_EQ(here.value("SELECT count(*) FROM ledger"),
                  std::to_string(3 * std::stoi(here.value("SELECT count(*) FROM trans_global"))));
    }

    server_database                 here{GetParam()};
    std::shared_ptr<counted>        counts = std::make_shared<counted>();
    std::unique_ptr<weft::database> own;
};
