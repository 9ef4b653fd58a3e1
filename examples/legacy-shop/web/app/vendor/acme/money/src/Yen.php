<?php
namespace Acme\Money;

/** An amount of yen. */
final class Yen
{
    private function __construct(private int $amount)
    {
    }

    public static function of(int $amount): self
    {
        return new self($amount);
    }

    public function times(int $factor): self
    {
        return new self($this->amount * $factor);
    }

    public function amount(): int
    {
        return $this->amount;
    }

    public function __toString(): string
    {
        return '¥' . number_format($this->amount);
    }
}
