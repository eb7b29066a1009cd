"""Penicillin: a fed-batch fermentation, simulated hour by hour.

Q. Liang, L. Lai (2021), "Scalable Bayesian Optimization Accelerates Process Optimization of Penicillin Production",
NeurIPS 2021 AI for Science Workshop; the model is that of G. Birol, C. Ündey, A. Çinar (2002), "A modular simulation
package for fed-batch fermentation: penicillin production", Computers & Chemical Engineering 26, 1553-1565. The
reference point is BoTorch's, from which the best hypervolume known is 2,183,456.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from moopt.core.noisy import Noisy
from moopt.core.space import Real, Space

HOURS = 2500
GAS = 1.9872  # cal / (mol K)


class Penicillin(Noisy):
    """Seven settings: yield [g/l] (max), carbon dioxide and duration [h] of a fermentation; option `noise`."""

    n_obj = 3
    directions = ("max", "min", "min")
    objective_titles = ("yield", "carbon_dioxide", "duration")
    spread = (16.0, 90.0, 2500.0)

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        return Space({
            "volume": Real(60.0, 120.0), "biomass": Real(0.05, 18.0), "temperature": Real(293.0, 303.0),
            "glucose": Real(0.05, 18.0), "feed_rate": Real(0.01, 0.5), "feed_concentration": Real(500.0, 700.0),
            "acidity": Real(5.0, 6.5),
        })  # fmt: skip

    @property
    def ideal(self) -> Tensor:
        """Of the best points that three searches of 200,000 evaluations found."""
        return torch.tensor((-25.391, 0.0066, 1.0), dtype=torch.float64)

    @property
    def nadir(self) -> Tensor:
        """As `ideal`."""
        return torch.tensor((-0.0055, 29.331, 444.0), dtype=torch.float64)

    @property
    def reference_point(self) -> Tensor:
        return torch.tensor((25.935, 57.612, 935.5), dtype=torch.float64)

    def _exact(self, x: Tensor) -> Tensor:
        volume, biomass, temperature, glucose, feed, concentration, acidity = x.unbind(-1)
        proton = torch.exp(-2.302585092994046 * acidity)
        by_acid = 0.092 / (1.0 + 1e-10 / proton + proton / 7e-5)
        arrhenius = torch.exp(-5100.0 / (GAS * temperature)) * 7e3 - torch.exp(
            75.98530806880352 - 50000.0 / (GAS * temperature)  # log of 1e33
        )
        evaporation = 2.5e-4 * torch.expm1(5.0 * (temperature - 373.0) / (273.0 - 373.0))
        penicillin, dioxide = torch.zeros_like(volume), torch.zeros_like(volume)
        duration = torch.full_like(volume, float(HOURS))
        runs = torch.ones_like(volume, dtype=torch.bool)
        for hour in range(1, HOURS + 1):
            growth = by_acid * glucose / (0.15 * biomass + glucose) * arrhenius
            making = 0.005 * glucose / (0.0002 + glucose + glucose * glucose / 0.10)
            by_volume = (feed - volume * evaporation) / volume
            d_biomass = biomass * (growth - by_volume)
            d_glucose = (
                biomass * (-growth / 0.45 - making / 0.90 - 0.014) + feed * concentration / volume - glucose * by_volume
            )
            d_penicillin = making * biomass - penicillin * (0.04 + by_volume)
            d_dioxide = 0.143 * d_biomass + 4e-7 * biomass + 1e-4
            volume = torch.where(runs, volume + by_volume * volume, volume)
            biomass = torch.where(runs, biomass + d_biomass, biomass)
            glucose = torch.where(runs, glucose + d_glucose, glucose)
            penicillin = torch.where(runs, penicillin + d_penicillin, penicillin)
            dioxide = torch.where(runs, dioxide + d_dioxide, dioxide)
            ends = runs & ((volume > 180.0) | (glucose < 0.0) | (d_penicillin < 1e-11))
            duration = torch.where(ends, float(hour), duration)
            runs = runs & ~ends
            if hour % 50 == 0 and x.device.type == "cpu" and not bool(runs.any()):
                break
        return torch.stack((penicillin, dioxide, duration), -1)
