// Everything that is written to a store, in words, byte for byte: what a change of the engine's insides must not change.
#pragma once

#include "tests/support/forwarding_store.hpp"

#include <memory>
#include <string>

namespace simulation {

// A write as one line. What is empty or as usual is left out.
std::string in_words(weft::write const& w);

// A transaction's row and its journal, a few lines.
std::string in_words(weft::transaction const& t);

class write_log final : public forwarding_store
{
public:
    struct lines
    {
        std::string   text;                            // each write and what became of it, if `keep`
        std::uint64_t digest = 14695981039346656037u;  // of the same (FNV-1a)
        std::uint64_t writes = 0;
        bool          keep = true;

        void add(std::string const& line);
    };

    write_log(std::unique_ptr<weft::store> base, std::shared_ptr<lines> to) : forwarding_store(std::move(base)), to_(std::move(to)) { }

    std::vector<weft::write_result> apply(std::span<weft::write const> w, bool repeated) override;

private:
    std::shared_ptr<lines> to_;
};

}  // namespace simulation
